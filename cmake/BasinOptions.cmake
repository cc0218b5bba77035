# Compiler and linker settings for Basin's own code, after HandleLLVMOptions.

# Debian's LLVM is built without assertions; Basin keeps its own.
if(BASIN_ENABLE_ASSERTIONS)
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-UNDEBUG>)
endif()
add_compile_options(-Wall -Wextra -Wno-unused-parameter)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Debian's libMLIR.so lies outside the loader's folders.
set(CMAKE_INSTALL_RPATH ${LLVM_LIBRARY_DIRS})

if(BASIN_SANITIZE)
  string(REPLACE ";" "," _basin_san "${BASIN_SANITIZE}")
  add_compile_options(-fsanitize=${_basin_san} -fno-omit-frame-pointer -fno-sanitize-recover=all
                      -fno-sanitize=vptr)
  # As a shared library, so that an interpreter that preloads it can take the
  # Python extension.
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-runtime-dir
    OUTPUT_VARIABLE _basin_runtime OUTPUT_STRIP_TRAILING_WHITESPACE)
  add_link_options(-fsanitize=${_basin_san} -shared-libsan -Wl,-rpath,${_basin_runtime})
endif()

# The sanitizers' build parses each source on its own: it finds missing includes.
if(BASIN_ENABLE_PRECOMPILED_HEADERS AND NOT BASIN_SANITIZE)
  set(BASIN_PRECOMPILED_HEADER ${PROJECT_SOURCE_DIR}/lib/Precompiled/Precompiled.h)
  set(BASIN_PRECOMPILED_KERNELS_HEADER ${PROJECT_SOURCE_DIR}/lib/Precompiled/PrecompiledKernels.h)
  # A header's time is no part of it: ccache goes by its contents.
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,Clang>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

# A precompiled header holds the paths of its checkout: a compiler cache that gave it
# to another one would have that read the first one's files.
function(basin_no_cache name)
  set_target_properties(${name} PROPERTIES CXX_COMPILER_LAUNCHER "")
endfunction()

# Keeps the target's layout of pass statistics that of libMLIR.so.
function(basin_statistic_layout name)
  if(BASIN_ENABLE_ASSERTIONS AND NOT LLVM_ENABLE_ASSERTIONS)
    target_compile_options(${name} PRIVATE
      "SHELL:-include ${PROJECT_SOURCE_DIR}/lib/Precompiled/StatisticLayout.h")
  endif()
endfunction()

# Compiles the target's sources after a precompiled header, made by the library
# `from`. The target is a library: an executable's sources are compiled in another
# way (PIE), which the header does not fit.
function(basin_precompile name from)
  if(BASIN_PRECOMPILED_HEADER)
    target_precompile_headers(${name} REUSE_FROM ${from})
  endif()
endfunction()

# A Basin library: sources, the dylib-linked MLIR, exported for find_package(Basin).
# One that is STANDALONE is not in every tool, and not in the fuzzers. One of the
# KERNELS is compiled after the header that has the GPU's dialects, too.
#   basin_add_library(NAME sources... [STANDALONE] [KERNELS] [DEPENDS ...] [LINK_LIBS ...])
function(basin_add_library name)
  cmake_parse_arguments(ARG "STANDALONE;KERNELS" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  basin_statistic_layout(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if(ARG_KERNELS)
    basin_precompile(${name} BasinPrecompiledKernels)
  else()
    basin_precompile(${name} BasinPrecompiled)
  endif()
  target_include_directories(${name} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:include>)
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS} MLIR LLVM)
  if(NOT ARG_STANDALONE)
    set_property(GLOBAL APPEND PROPERTY BASIN_LIBS ${name})
  endif()
  install(TARGETS ${name} EXPORT BasinTargets ARCHIVE DESTINATION lib)
endfunction()

# A command-line tool on top of everything Basin registers.
function(basin_add_tool name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE BasinInitAll)
  install(TARGETS ${name} EXPORT BasinTargets RUNTIME DESTINATION bin)
endfunction()
