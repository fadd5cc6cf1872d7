# SPDX-License-Identifier: GPL-2.0-only
# Flags of every target.
#
# The first group decides what code means, so guests, the native model and everything that inlines a model header get the
# same (decisions D6a, D8): char is signed everywhere, RAM is viewed through casts, addresses wrap, 0 is an address.
# File names in asserts and debug info are relative to the repository (D32).
add_compile_options(
  -fsigned-char -fno-strict-aliasing -fwrapv -fno-delete-null-pointer-checks
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)

add_compile_options(
  -Wall -Wextra -Werror -Wundef -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Emulated RAM is cleared with memset, whatever the default member values of a type: not worth a warning.
  add_compile_options(-Wshadow=local -Wduplicated-cond -Wlogical-op -Wno-class-memaccess)
else()
  add_compile_options(-Wshadow -Wno-deprecated-declarations)  # stable_sort of libstdc++ 12 uses what it deprecates
endif()

if(BATON_SANITIZE)
  add_compile_options(-fsanitize=${BATON_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BATON_SANITIZE})
endif()

# Sources include each other from the root: "model/types.hpp", "sim/memory/ram.hpp".
include_directories(${PROJECT_SOURCE_DIR})
