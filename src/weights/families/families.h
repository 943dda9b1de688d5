#pragma once

#include "weights/family.h"

namespace catenary::weights {

extern const Family kBloom;
extern const Family kFalcon;
extern const Family kGemma;
extern const Family kGemma2;
extern const Family kGemma3;
extern const Family kGpt2;
extern const Family kGptJ;
extern const Family kGptNeo;
extern const Family kGptNeox;
extern const Family kLlama;
extern const Family kMistral;
extern const Family kMixtral;
extern const Family kMpt;
extern const Family kOlmo;
extern const Family kOlmo2;
extern const Family kOlmoe;
extern const Family kOpt;
extern const Family kPhi;
extern const Family kPhi3;
extern const Family kQwen2;
extern const Family kQwen2Moe;
extern const Family kQwen3;
extern const Family kQwen3Moe;
extern const Family kStableLm;

/// What Llama and its many relatives have in common: sizes, RMS norm, rope, gated MLP.
void read_llama_config(HfFields& fields, ModelConfig& config, const HfFields::RopeDefaults& rope = {});

}  // namespace catenary::weights
