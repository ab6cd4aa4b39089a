# Cross-compiling for arm64 and running the tests under qemu-user; docs/architecture.md has the
# commands. ALEXNET_ROOT: a folder with the arm64 packages of the dependencies, unpacked.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ALEXNET_ROOT)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH ${ALEXNET_ROOT}/usr)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${ALEXNET_ROOT})
set(ENV{PKG_CONFIG_LIBDIR}
    ${ALEXNET_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${ALEXNET_ROOT}/usr/share/pkgconfig)
set(CMAKE_C_FLAGS_INIT "-isystem ${ALEXNET_ROOT}/usr/include/aarch64-linux-gnu")
set(CMAKE_EXE_LINKER_FLAGS_INIT 
    "-Wl,-rpath-link,${ALEXNET_ROOT}/usr/lib/aarch64-linux-gnu:${ALEXNET_ROOT}/lib/aarch64-linux-gnu")
set(CMAKE_SHARED_LINKER_FLAGS_INIT ${CMAKE_EXE_LINKER_FLAGS_INIT})
set(CMAKE_CROSSCOMPILING_EMULATOR
    qemu-aarch64;-L;/usr/aarch64-linux-gnu;-E;LD_LIBRARY_PATH=${ALEXNET_ROOT}/usr/lib/aarch64-linux-gnu:${ALEXNET_ROOT}/lib/aarch64-linux-gnu)
