#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

namespace catenary::model {

/// A name for each GPU that this process sees, in CUDA's order; the same in all processes of a host. Empty without
/// CUDA.
std::vector<std::string> visible_gpus();

/// The device to compute on, and from now on the one in use.
///   "cpu"    the processor
///   "cuda"   the GPU with this index in visible_gpus()
///   "auto"   "cuda" where a GPU is visible, else "cpu"
/// Throws SpecError if there is no such device.
at::Device choose_device(std::string_view word, int gpu_index);

/// Gives back what libtorch keeps of a GPU's memory, and of page-locked memory, for tensors to come.
void give_back_memory(at::Device device);

/// Versions as NVIDIA counts them: 13000 is 13.0. A driver runs programs built for its own major version and below.
struct CudaVersions {
  int build = 0;   // 0: without CUDA
  int driver = 0;  // the newest that it runs; 0: there is no driver
};
CudaVersions cuda_versions();

/// "cpu x86-64-v4", with the instruction set of the kernels in use, or the GPU's name as the driver gives it. Part of
/// the numerics that a store records.
std::string device_kind(at::Device device);

/// Threads that one operation on the CPU may use; for the whole process. Call it before the first operation.
void set_num_threads(int num_threads);

/// The version of libtorch that runs, "2.11.0".
std::string libtorch_version();

}  // namespace catenary::model
