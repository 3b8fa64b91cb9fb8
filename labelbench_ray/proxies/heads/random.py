"""Random first weights, as torch initializes a linear layer (Kaiming uniform)."""

from labelbench_ray.proxies.heads import Head, HeadContext, HeadLayer


class Random(Head):
    """Torch's own initialization: the usual start for classes that are new to the encoder."""

    def layer(self, context: HeadContext) -> HeadLayer:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            linear = torch.nn.Linear(context.dimensions, len(context.classes))
        return HeadLayer(linear.weight.detach().T.numpy().copy(), linear.bias.detach().numpy())
