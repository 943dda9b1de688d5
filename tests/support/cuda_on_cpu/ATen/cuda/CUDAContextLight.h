#pragma once

namespace at::cuda {

struct Properties {
  int major = 9;
};
inline const Properties* getDeviceProperties(int) {
  static const Properties hopper;
  return &hopper;
}

}  // namespace at::cuda
