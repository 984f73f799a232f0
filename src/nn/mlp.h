// The gated feed-forward layer: down(activation(gate(x)) * up(x)).
#pragma once

#include "nn/linear.h"

namespace trellis {

class Mlp {
 public:
  Mlp(Linear gate, Linear up, Linear down, Activation activation)
      : gate_(std::move(gate)),
        up_(std::move(up)),
        down_(std::move(down)),
        activation_(activation) {}

  /// Adds the layer of the normalised stream to the stream.
  void forward(StepContext& context, const StreamNorm& norm, ResidualStream& stream) const;

 private:
  Linear gate_;
  Linear up_;
  Linear down_;
  Activation activation_;
};

}  // namespace trellis
