# The libraries that design and docs/architecture.md name, gathered in one interface target. Those
# that a machine lacks are left out with one line, and `alexnet --version` lists what is in.
find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(Threads REQUIRED)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

add_library(alexnet_dependencies INTERFACE)
target_link_libraries(alexnet_dependencies INTERFACE
    OpenMP::OpenMP_C Threads::Threads PkgConfig::JPEG PkgConfig::PNG PkgConfig::JANSSON m)

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

# Cairo: pictures with text (inspect).
pkg_check_modules(CAIRO IMPORTED_TARGET cairo)
if(CAIRO_FOUND)
    target_link_libraries(alexnet_dependencies INTERFACE PkgConfig::CAIRO)
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_CAIRO)
else()
    message(STATUS "cairo (libcairo2-dev) not found: inspect draws no pictures")
endif()

# libcurl and nettle: downloads (pull). Only libcurl's header is used here: src/pull/curl.h says why.
pkg_check_modules(CURL IMPORTED_TARGET libcurl)
pkg_check_modules(NETTLE IMPORTED_TARGET nettle)
if(CURL_FOUND AND NETTLE_FOUND)
    set(AN_WITH_CURL TRUE)
    target_include_directories(alexnet_dependencies SYSTEM INTERFACE ${CURL_INCLUDE_DIRS})
    target_link_libraries(alexnet_dependencies INTERFACE PkgConfig::NETTLE ${CMAKE_DL_LIBS})
    target_compile_definitions(alexnet_dependencies INTERFACE AN_WITH_CURL)
else()
    message(STATUS
        "libcurl (libcurl4-openssl-dev) or nettle (nettle-dev) not found: pull is left out")
endif()
