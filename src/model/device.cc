#include "catenary/model/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/headeronly/version.h>
#ifdef CATENARY_WITH_CUDA
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#endif

#include "catenary/base/error.h"
#include "model/cpu/kernels.h"

namespace catenary::model {
namespace {

#ifdef CATENARY_WITH_CUDA
constexpr bool kWithCuda = true;
int num_gpus() {
  return c10::cuda::device_count();
}
void use_gpu(c10::DeviceIndex index) {
  c10::cuda::set_device(index);
}
std::string gpu_name(c10::DeviceIndex index) {
  return at::cuda::getDeviceProperties(index)->name;
}
std::string gpu_uuid(c10::DeviceIndex index) {
  std::string digits;
  for (const char byte : at::cuda::getDeviceProperties(index)->uuid.bytes) {
    digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return digits;
}
#else
constexpr bool kWithCuda = false;
int num_gpus() {
  return 0;
}
void use_gpu(c10::DeviceIndex) {}
std::string gpu_name(c10::DeviceIndex) {
  return "";
}
std::string gpu_uuid(c10::DeviceIndex) {
  return "";
}
#endif

}  // namespace

std::vector<std::string> visible_gpus() {
  std::vector<std::string> gpus;
  for (int i = 0; i < num_gpus(); ++i) gpus.push_back(gpu_uuid(static_cast<c10::DeviceIndex>(i)));
  return gpus;
}

at::Device choose_device(std::string_view word, int gpu_index) {
  if (word == "cpu" || (word == "auto" && num_gpus() == 0)) return at::Device(at::kCPU);
  if (word != "cuda" && word != "auto") {
    throw SpecError(fmt::format("--device: expected cpu, cuda or auto, found \"{}\"", word));
  }
  if (!kWithCuda) {
    throw SpecError("--device cuda: this build has no CUDA; configure it with -DCATENARY_CUDA=ON, or use --device cpu");
  }
  if (num_gpus() <= gpu_index) {
    throw SpecError(
        fmt::format("--device {}: {} GPUs are visible; use --device cpu, or see what hides them", word, num_gpus()));
  }
  const auto index = static_cast<c10::DeviceIndex>(gpu_index);
  use_gpu(index);
  at::globalContext().setAllowTF32CuBLAS(false);  // whatever TORCH_ALLOW_TF32_CUBLAS_OVERRIDE says
  return at::Device(at::kCUDA, index);
}

void give_back_memory([[maybe_unused]] at::Device device) {
#ifdef CATENARY_WITH_CUDA
  if (!device.is_cuda()) return;
  c10::cuda::CUDACachingAllocator::emptyCache();
  at::getHostAllocator(at::kCUDA)->empty_cache();
#endif
}

CudaVersions cuda_versions() {
  CudaVersions versions;
#ifdef CATENARY_WITH_CUDA
  versions.build = CUDART_VERSION;
  if (cudaDriverGetVersion(&versions.driver) != cudaSuccess) versions.driver = 0;
#endif
  return versions;
}

std::string device_kind(at::Device device) {
  return device.is_cuda() ? gpu_name(device.index()) : fmt::format("cpu {}", cpu::kernels().name);
}

void set_num_threads(int num_threads) {
  at::set_num_threads(num_threads);
}

std::string libtorch_version() {
  return fmt::format("{}.{}.{}", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, TORCH_VERSION_PATCH);
}

}  // namespace catenary::model
