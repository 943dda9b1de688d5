# cmake -DSOURCE=… -DTEMPLATE=… -DOUTPUT=… -DVERSION=… -P commit.cmake: writes the file that tells version and commit. Every build runs it;
# the file is touched only where the commit has changed.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --exclude=* OUTPUT_VARIABLE commit
  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(commit)
  set(VERSION "${VERSION} (${commit})")
endif()
configure_file(${TEMPLATE} ${OUTPUT} @ONLY)
