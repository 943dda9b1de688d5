# cmake --install build --prefix P                          programs, demo, specs, batch scripts, documents
# cmake --install build --prefix P --component libraries    and the libraries that a system may lack: P can be moved then
# cmake --build build --target tarball                      both, as build/catenary-VERSION.tar.gz
#
# MPI is the machine's own, always: launcher, network and Slurm must fit it.
include(GNUInstallDirs)
set(programs catenary)
if(CATENARY_RUN)
  list(APPEND programs catenary-run)
endif()
# Beside the programs first, then where the libraries were when they were built.
set_target_properties(${programs} PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON
  INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/catenary")
install(TARGETS ${programs} RUNTIME_DEPENDENCY_SET needed)
install(RUNTIME_DEPENDENCY_SET needed
  DIRECTORIES ${torch_link_dirs}
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|util|resolv|pthread|stdc\\+\\+|gcc_s)\\.so" "^libmpi" "^libcuda\\.so"
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/catenary COMPONENT libraries EXCLUDE_FROM_ALL)
set(share ${CMAKE_INSTALL_DATADIR}/catenary)
install(DIRECTORY jobs slurm docs DESTINATION ${share} PATTERN data EXCLUDE PATTERN __pycache__ EXCLUDE)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${share})

set(tree catenary-${PROJECT_VERSION})
add_custom_target(tarball
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${tree}
  COMMAND ${CMAKE_COMMAND} --install . --prefix ${tree}
  COMMAND ${CMAKE_COMMAND} --install . --prefix ${tree} --component libraries
  COMMAND ${CMAKE_COMMAND} -E tar czf ${tree}.tar.gz ${tree}
  WORKING_DIRECTORY ${PROJECT_BINARY_DIR} VERBATIM USES_TERMINAL)
add_dependencies(tarball ${programs})
