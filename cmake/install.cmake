# What `cmake --install` puts where: the command with its manual and completion, both libraries and
# the plug-in, the header, and the files by which pkg-config and CMake find the library.
include(CMakePackageConfigHelpers)
install(TARGETS alexnet alexnet_static)
install(TARGETS alexnet_shared EXPORT alexnetTargets
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET alexnet-cuda)
    install(TARGETS alexnet-cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/alexnet)
endif()
install(DIRECTORY include/alexnet TYPE INCLUDE)

# The libraries that programs linked with the static one need beside it.
set(ALEXNET_PC_REQUIRES "libjpeg libpng zlib jansson")
list(TRANSFORM CMAKE_DL_LIBS PREPEND " -l" OUTPUT_VARIABLE dl)
set(ALEXNET_PC_LIBS "${OpenMP_C_FLAGS} -lpthread -lm${dl}")
if(AN_WITH_CAIRO)
    string(APPEND ALEXNET_PC_REQUIRES " cairo")
endif()
if(AN_WITH_CURL)
    string(APPEND ALEXNET_PC_REQUIRES " nettle")
endif()
if(ZIP_FOUND)
    string(APPEND ALEXNET_PC_REQUIRES " libzip")
endif()
if(WEBP_FOUND)
    string(APPEND ALEXNET_PC_REQUIRES " libwebp libwebpdemux")
endif()
if(LMDB_FOUND)
    string(APPEND ALEXNET_PC_REQUIRES " lmdb")
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

# find_package(alexnet) gives alexnet::alexnet, the shared library.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/alexnet)
install(EXPORT alexnetTargets NAMESPACE alexnet:: DESTINATION ${package})
configure_package_config_file(cmake/alexnetConfig.cmake.in alexnetConfig.cmake
    INSTALL_DESTINATION ${package})
write_basic_package_version_file(alexnetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/alexnetConfig.cmake
    ${PROJECT_BINARY_DIR}/alexnetConfigVersion.cmake DESTINATION ${package})

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

# The last word; a package that is being made (DESTDIR) needs none.
install(CODE "set(lib \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}\")
if(NOT DEFINED ENV{DESTDIR})
    include(\"${PROJECT_SOURCE_DIR}/cmake/installed.cmake\")
endif()")
