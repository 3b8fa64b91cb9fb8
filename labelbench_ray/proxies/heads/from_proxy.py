"""The trained linear proxy as the last layer: probing first, then fine-tuning (Kumar et al. 2022, LP-FT)."""

from labelbench_ray.encoders import Encoder
from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Proxy
from labelbench_ray.proxies.heads import Head, HeadContext, HeadLayer
from labelbench_ray.proxies.linear import Linear


class FromProxy(Head):
    """The trained linear proxy: before its first step the full model's predictions are those of the proxy."""

    def check(self, encoder: Encoder, classes: tuple[str, ...] | None, proxy: Proxy | None) -> None:
        if proxy is None:
            raise ConfigError(
                "head from_proxy: no light proxy is trained before this model, so there are no weights to start from; "
                "use the head 'random', or a trial with the proxy 'linear' and a fine-tune"
            )
        if not isinstance(proxy, Linear):
            raise ConfigError(
                f"head from_proxy: the proxy {type(proxy).__name__.lower()!r} is not one affine layer; use the proxy "
                "'linear', or the head 'random'"
            )

    def layer(self, context: HeadContext) -> HeadLayer:
        assert context.proxy is not None
        assert len(context.proxy.layers) == 1
        return HeadLayer(*context.proxy.first_layer)
