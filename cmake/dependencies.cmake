# The libraries that design and docs/architecture.md name, gathered in one interface target. Those
# that a machine lacks are left out with one line, and `alexnet --version` lists what is in.
find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(Threads REQUIRED)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

add_library(alexnet_dependencies INTERFACE)
target_link_libraries(alexnet_dependencies INTERFACE
    OpenMP::OpenMP_C Threads::Threads PkgConfig::JPEG PkgConfig::PNG PkgConfig::ZLIB
    PkgConfig::JANSSON m ${CMAKE_DL_LIBS})

# oneDNN: the cpu backend's primitives. Debian ships no pkg-config file for it.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h)
find_library(DNNL_LIBRARY dnnl)
set(DNNL_FOUND FALSE)
if(DNNL_INCLUDE_DIR AND DNNL_LIBRARY)
    set(DNNL_FOUND TRUE)
    target_include_directories(alexnet_dependencies SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
    target_link_libraries(alexnet_dependencies INTERFACE ${DNNL_LIBRARY})
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_DNNL)
else()
    message(STATUS "oneDNN (libdnnl-dev) not found: the cpu backend is left out")
endif()

# libzip: the archives in which PyTorch keeps weights.
pkg_check_modules(ZIP IMPORTED_TARGET libzip)
if(ZIP_FOUND)
    target_link_libraries(alexnet_dependencies INTERFACE PkgConfig::ZIP)
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_ZIP)
else()
    message(STATUS "libzip (libzip-dev) not found: PyTorch's files are left out")
endif()

# libwebp: WebP pictures.
pkg_check_modules(WEBP IMPORTED_TARGET libwebp libwebpdemux)
if(WEBP_FOUND)
    target_link_libraries(alexnet_dependencies INTERFACE PkgConfig::WEBP)
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_WEBP)
else()
    message(STATUS "libwebp (libwebp-dev) not found: WebP pictures are left out")
endif()

# liblmdb: writing databases (pack); reading them is own code, src/data/lmdb_reader.h says why.
pkg_check_modules(LMDB IMPORTED_TARGET lmdb)
if(LMDB_FOUND)
    target_link_libraries(alexnet_dependencies INTERFACE PkgConfig::LMDB)
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_LMDB)
else()
    message(STATUS "liblmdb (liblmdb-dev) not found: pack is left out")
endif()

# protobuf-c: ONNX and caffemodel. Its compiler makes C of the message definitions.
pkg_check_modules(PROTOBUF_C IMPORTED_TARGET libprotobuf-c)
find_program(PROTOC_C protoc-c)
if(PROTOBUF_C_FOUND AND PROTOC_C)
    target_link_libraries(alexnet_dependencies INTERFACE PkgConfig::PROTOBUF_C)
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_PROTOBUF)
else()
    message(STATUS "protobuf-c (libprotobuf-c-dev, protobuf-c-compiler) not found: ONNX and Caffe "
        "are left out")
endif()

# The sources that are made while building: what linters need besides a configured tree.
add_custom_target(alexnet_generated)

# an_protobuf(NAME): NAME.proto of this folder becomes NAME.pb-c.[ch], part of the library; included
# as "NAME.pb-c.h".
function(an_protobuf name)
    set(made ${CMAKE_CURRENT_BINARY_DIR}/${name}.pb-c.c ${CMAKE_CURRENT_BINARY_DIR}/${name}.pb-c.h)
    add_custom_command(OUTPUT ${made}
        COMMAND ${PROTOC_C} --c_out=${CMAKE_CURRENT_BINARY_DIR}
            --proto_path=${CMAKE_CURRENT_SOURCE_DIR} ${name}.proto
        DEPENDS ${name}.proto)
    # The library is a target of another folder, which sees the files, but not how they are made.
    add_custom_target(${name}_protobuf DEPENDS ${made})
    add_dependencies(alexnet_objects ${name}_protobuf)
    add_dependencies(alexnet_generated ${name}_protobuf)
    set_source_files_properties(${made} TARGET_DIRECTORY alexnet_objects
        PROPERTIES GENERATED TRUE COMPILE_OPTIONS -w)
    target_sources(alexnet_objects PRIVATE ${made})
    target_include_directories(alexnet_objects SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
endfunction()

# Cairo and Pango: pictures with text (inspect). Only Pango's header is used here: src/inspect/pango.h
# says why.
pkg_check_modules(CAIRO IMPORTED_TARGET cairo)
pkg_check_modules(PANGOCAIRO pangocairo)
if(CAIRO_FOUND AND PANGOCAIRO_FOUND)
    set(AN_WITH_CAIRO TRUE)
    target_include_directories(alexnet_dependencies SYSTEM INTERFACE ${PANGOCAIRO_INCLUDE_DIRS})
    target_link_libraries(alexnet_dependencies INTERFACE PkgConfig::CAIRO)
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_CAIRO)
else()
    message(STATUS "cairo (libcairo2-dev) or Pango (libpango1.0-dev) not found: inspect draws no "
        "pictures")
endif()

# libcurl and nettle: downloads (pull). Only libcurl's header is used here: src/pull/curl.h says why.
pkg_check_modules(CURL IMPORTED_TARGET libcurl)
pkg_check_modules(NETTLE IMPORTED_TARGET nettle)
if(CURL_FOUND AND NETTLE_FOUND)
    set(AN_WITH_CURL TRUE)
    target_include_directories(alexnet_dependencies SYSTEM INTERFACE ${CURL_INCLUDE_DIRS})
    target_link_libraries(alexnet_dependencies INTERFACE PkgConfig::NETTLE)
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_CURL)
else()
    message(STATUS
        "libcurl (libcurl4-openssl-dev) or nettle (nettle-dev) not found: pull is left out")
endif()

# libmatio: the names of ILSVRC's classes. Only its header is used here: src/data/matio.h says why.
# Which library the header belongs to is what the development package's link leads to.
pkg_check_modules(MATIO matio)
find_library(MATIO_LIBRARY NAMES libmatio.so HINTS ${MATIO_LIBRARY_DIRS})
if(MATIO_FOUND AND MATIO_LIBRARY)
    file(REAL_PATH ${MATIO_LIBRARY} library)
    cmake_path(GET library FILENAME library)
    string(REGEX REPLACE "(\\.so\\.[0-9]+).*" "\\1" library ${library})
    set(AN_WITH_MATIO TRUE)
    target_include_directories(alexnet_dependencies SYSTEM INTERFACE ${MATIO_INCLUDE_DIRS})
    target_compile_definitions(alexnet_dependencies INTERFACE
        AN_WITH_MATIO AN_MATIO_LIBRARY="${library}")
else()
    message(STATUS "libmatio (libmatio-dev) not found: names and validation labels of ILSVRC's "
        "archives are left out")
endif()
