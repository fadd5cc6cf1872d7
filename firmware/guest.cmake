# SPDX-License-Identifier: GPL-2.0-only
# Builds model/ and firmware/ as the kernel of a guest (docs/architecture.md §1, decisions D6, D32).
#
# Not ordinary targets: the compiler is another one for AArch64, and the flags are the same in every preset, so that
# all build trees have the same images, byte by byte. One command a source file, through ccache, with its header
# dependencies.

# What code means (cmake/Flags.cmake says why), what a kernel cannot have, and what a backtrace needs.
set(BATON_GUEST_FLAGS
  -O2 -g -fsigned-char -fno-strict-aliasing -fwrapv -fno-delete-null-pointer-checks
  -fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -ffunction-sections -fdata-sections
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.
  -Wall -Wextra -Werror -Wundef -Wno-missing-field-initializers
  -I${PROJECT_SOURCE_DIR}/firmware/target -I${PROJECT_SOURCE_DIR})
set(BATON_GUEST_CXX_FLAGS
  -x c++ -std=c++23 -fno-exceptions -fno-rtti -fno-threadsafe-statics -Wno-class-memaccess
  -DBOOST_NO_EXCEPTIONS -DBOOST_CONTAINER_USER_DEFINED_THROW_CALLBACKS)
# The runtime must not be compiled into calls of itself.
set(BATON_GUEST_C_FLAGS -x c -std=c17 -ffreestanding -fno-tree-loop-distribute-patterns)
set(BATON_GUEST_ASM_FLAGS -x assembler-with-cpp)

# How clang would compile a file of firmware/, for lints: compile_commands.json knows ordinary targets only. The first image
# with the file counts.
function(baton_guest_lint_command source compiler)
  get_property(seen GLOBAL PROPERTY BATON_GUEST_LINTED)
  if(source IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY BATON_GUEST_LINTED ${source})
  string(REGEX MATCH "aarch64" isa ${compiler})
  if(NOT isa)
    set(isa x86_64)
  endif()
  list(REMOVE_ITEM ARGN -mgeneral-regs-only)  # to clang, even a declaration with long double is an error then
  list(JOIN ARGN " " flags)
  set(command "clang++-19 --target=${isa}-linux-gnu -Wno-unknown-warning-option ${flags} -c ${source}")
  set_property(GLOBAL APPEND_STRING PROPERTY BATON_GUEST_LINT_COMMANDS
    ",\n{\"directory\": \"${PROJECT_SOURCE_DIR}\", \"file\": \"${source}\", \"command\": \"${command}\"}")
endfunction()

function(baton_write_guest_lint_commands)
  get_property(commands GLOBAL PROPERTY BATON_GUEST_LINT_COMMANDS)
  string(REGEX REPLACE "^,\n" "" commands "${commands}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/guest_commands.json CONTENT "[${commands}]\n" @ONLY)
endfunction()

# baton_guest_objects(<result> FOLDER <of the objects> COMPILER <c++> FLAGS <more…> SOURCES <paths from the root…>)
function(baton_guest_objects result)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER;COMPILER" "FLAGS;SOURCES")
  set(objects "")
  foreach(source IN LISTS arg_SOURCES)
    cmake_path(GET source EXTENSION LAST_ONLY extension)
    if(extension STREQUAL ".cpp")
      set(language ${BATON_GUEST_CXX_FLAGS})
    elseif(extension STREQUAL ".c")
      set(language ${BATON_GUEST_C_FLAGS})
    else()
      set(language ${BATON_GUEST_ASM_FLAGS})
    endif()
    set(object ${arg_FOLDER}/${source}.o)
    cmake_path(GET object PARENT_PATH folder)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${arg_COMPILER} ${language} ${BATON_GUEST_FLAGS} ${arg_FLAGS}
        -MD -MF ${object}.d -MT ${object} -c ${PROJECT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${PROJECT_SOURCE_DIR}/${source}
      DEPFILE ${object}.d
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}  # not the build tree: ccache then serves all presets
      VERBATIM)
    list(APPEND objects ${object})
    if(extension STREQUAL ".cpp" AND source MATCHES "^firmware/")
      baton_guest_lint_command(${source} ${arg_COMPILER} ${language} ${BATON_GUEST_FLAGS} ${arg_FLAGS})
    endif()
  endforeach()
  set(${result} ${objects} PARENT_SCOPE)
endfunction()

# All files with an extension below a folder of the repository, as paths from its root.
function(baton_guest_sources result folder extension)
  file(GLOB_RECURSE found RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/${folder}/*.${extension})
  set(${result} ${found} PARENT_SCOPE)
endfunction()

# x86-64: the purgatory as an ELF file of its own, linked at 0. SSE is off when it runs.
function(baton_guest_purgatory result)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER;ELF;COMPILER" "FLAGS")
  baton_guest_objects(objects FOLDER ${arg_FOLDER}/purgatory COMPILER ${arg_COMPILER}
    FLAGS ${arg_FLAGS} -fpie -mgeneral-regs-only
    SOURCES firmware/x86_64/purgatory.S firmware/x86_64/purgatory.cpp firmware/runtime/memory.c model/kexec/sha256.cpp)
  set(script ${CMAKE_CURRENT_SOURCE_DIR}/x86_64/purgatory.ld)
  add_custom_command(
    OUTPUT ${arg_ELF}
    COMMAND ${arg_COMPILER} -nostdlib -static-pie -Wl,-T,${script} -Wl,--gc-sections -Wl,--build-id=none
      -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -o ${arg_ELF} ${objects}
    DEPENDS ${objects} ${script}
    VERBATIM)
  set(${result} ${arg_ELF} PARENT_SCOPE)
endfunction()

# The objects of a kernel: baton_guest_kernel_objects(<result> GEOMETRY <enumerator of GeometryId> ISA <isa>
#                                                     PAGE_SHIFT <n> FOLDER <of the objects> COMPILER <c++> FLAGS <more…>)
function(baton_guest_kernel_objects result)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "GEOMETRY;ISA;PAGE_SHIFT;FOLDER;COMPILER" "FLAGS")
  baton_guest_sources(model model cpp)
  baton_guest_sources(runtime firmware/runtime c)
  baton_guest_sources(isa_cpp firmware/${arg_ISA} cpp)
  baton_guest_sources(isa_asm firmware/${arg_ISA} S)
  set(sources ${model} ${runtime} firmware/platform.cpp ${isa_cpp} ${isa_asm})
  list(FILTER sources EXCLUDE REGEX "^firmware/.*/purgatory\\.")
  baton_guest_objects(objects FOLDER ${arg_FOLDER} COMPILER ${arg_COMPILER}
    FLAGS -fno-pic -DBATON_GEOMETRY=${arg_GEOMETRY} -DPAGE_SHIFT=${arg_PAGE_SHIFT} ${arg_FLAGS}
    SOURCES ${sources})
  set(${result} ${objects} PARENT_SCOPE)
endfunction()

# Links them: baton_guest_kernel(ELF <file> OBJECTS <files…> LINK <more flags…> PAGE_SHIFT <n> TEXT_BASE <va>
#                                COMPILER <c++> LIBFDT <archive> PURGATORY_BYTES <n>)
function(baton_guest_kernel)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "ELF;PAGE_SHIFT;TEXT_BASE;COMPILER;LIBFDT;PURGATORY_BYTES" "OBJECTS;LINK")
  set(script ${CMAKE_CURRENT_SOURCE_DIR}/image.ld)
  math(EXPR page_size "1 << ${arg_PAGE_SHIFT}")
  add_custom_command(
    OUTPUT ${arg_ELF}
    COMMAND ${arg_COMPILER} -nostdlib -static -no-pie -Wl,-T,${script} -Wl,--gc-sections -Wl,--build-id=none
      -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -Wl,-z,max-page-size=4096
      -Wl,--defsym=text_base=${arg_TEXT_BASE} -Wl,--defsym=page_size=${page_size}
      -Wl,--defsym=purgatory_bytes=${arg_PURGATORY_BYTES} ${arg_LINK} -o ${arg_ELF} ${arg_OBJECTS} ${arg_LIBFDT}
    DEPENDS ${arg_OBJECTS} ${script} ${arg_LIBFDT}
    VERBATIM)
endfunction()
