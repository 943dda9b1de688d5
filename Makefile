# Thin targets; CMake and ctest do the work. `make demo` and `make test` set up what is missing first.
#   make setup   compilers and libraries (cmake/setup.sh says what it installs)
#   make demo    a scaling study of seven small models, and what came out; JOB=conditions: jobs/conditions.json
#   make test    builds everything and runs the tests
#   make tidy    clang-tidy over src/ and analysis/: .clang-tidy says what it looks for
#   make coverage  builds and tests without optimisation; which lines the tests did not run
.PHONY: setup build demo test tidy coverage

JOBS ?= $(shell nproc)
JOB ?= demo
comma := ,
# Open MPI refuses to start as root, and more ranks than cores, unless told that it is meant.
export OMPI_MCA_rmaps_base_oversubscribe = 1
ifeq ($(shell id -u),0)
export OMPI_ALLOW_RUN_AS_ROOT = 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM = 1
endif

setup:
	@cmake/setup.sh

build: setup
	@cmake --preset release --log-level=NOTICE $(CMAKE_ARGS)

demo: build
	@cmake --build build --parallel $(JOBS) --target catenary catenary-run
	@rm -f build/$(JOB).h5
	mpirun -n 2 build/bin/catenary run jobs/$(JOB).json -o build/$(JOB).h5 --threads 1
	build/bin/catenary fit build/$(JOB).h5 --metric accuracy
	build/bin/catenary report build/$(JOB).h5 -o build/$(JOB).html --figures build/$(JOB)-figures
	@echo 'Look: build/$(JOB).html in a browser, build/$(JOB)-figures for a paper.'
	@echo 'The table says which tasks get worse with size, and what a condition changes.'
	@echo 'Next: a task and a model of your own: docs/guide.md.'

test: build
	@cmake --build build --parallel $(JOBS)
	ctest --test-dir build --output-on-failure --no-tests=error --parallel 2

# clang-tidy of a distribution of today does not know all of C++20.
tools = build/tools
$(tools):
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target $@ clang-tidy==23.1.4 gcovr==8.8

# Not cpu/kernels.cc, which is written in GCC's own vectors. Clang looks for omp.h where GCC has it.
tidy: setup $(tools)
	@cmake --preset tidy --log-level=NOTICE $(CMAKE_ARGS)
	PYTHONPATH=$(tools) PATH="$(CURDIR)/$(tools)/bin:$$PATH" run-clang-tidy.py -quiet -hide-progress -p build/tidy -j $(JOBS) \
	  -extra-arg=-idirafter$$(g++ -print-file-name=include) '/(src|analysis)/(?!model/cpu/kernels).*\.cc$$'

coverage: setup $(tools)
	@cmake --preset coverage --log-level=NOTICE $(CMAKE_ARGS)
	@cmake --build build/coverage --parallel $(JOBS)
	@find build/coverage -name '*.gcda' -delete  # of what was built before
	-GCOV_ERROR_FILE=/dev/null ctest --test-dir build/coverage --output-on-failure --parallel 2  # killed programs leave half of a file
	PYTHONPATH=$(tools) python3 -m gcovr --root . --filter 'src/|analysis/|include/' --gcov-suspicious-hits-threshold 0 \
	  --txt build/coverage.txt --txt-summary build/coverage  # the kernels' lines run billions of times
	@echo 'build/coverage.txt lists the lines that no test ran.'
