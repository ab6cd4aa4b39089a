# What `cmake --install` puts where: the command with its manual and completion, both libraries, the
# header, and the pkg-config file.
install(TARGETS alexnet alexnet_static alexnet_shared)
install(DIRECTORY include/alexnet TYPE INCLUDE)

# The libraries that programs linked with the static one need beside it.
set(ALEXNET_PC_REQUIRES "libjpeg libpng jansson")
set(ALEXNET_PC_LIBS "${OpenMP_C_FLAGS} -lpthread -lm")
if(CAIRO_FOUND)
    string(APPEND ALEXNET_PC_REQUIRES " cairo")
endif()
if(PROTOBUF_C_FOUND AND PROTOC_C)
    string(APPEND ALEXNET_PC_REQUIRES " libprotobuf-c")
endif()
if(DNNL_FOUND)
    string(PREPEND ALEXNET_PC_LIBS "-ldnnl ")
endif()
file(RELATIVE_PATH ALEXNET_PC_PREFIX
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/alexnet.pc.in alexnet.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/alexnet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# made(NAME FOLDER arguments...): a file that the command itself prints.
function(made name folder)
    set(file ${PROJECT_BINARY_DIR}/made/${name})
    add_custom_command(OUTPUT ${file} COMMAND alexnet ${ARGN} > ${file} DEPENDS alexnet VERBATIM)
    set_property(GLOBAL APPEND PROPERTY alexnet_made ${file})
    install(FILES ${file} DESTINATION ${folder})
endfunction()
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/made)
made(alexnet.1 ${CMAKE_INSTALL_MANDIR}/man1 man)
made(alexnet ${CMAKE_INSTALL_DATADIR}/bash-completion/completions completion bash)
made(_alexnet ${CMAKE_INSTALL_DATADIR}/zsh/site-functions completion zsh)
get_property(files GLOBAL PROPERTY alexnet_made)
add_custom_target(alexnet_documents ALL DEPENDS ${files})
