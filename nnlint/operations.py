"""The names of operations on data, whichever library and spelling they come from: `F.softmax`, `x.softmax`, `nn.Softmax`.

Tables, and nothing else. `FUNCTIONS` are spelled by the last part of a dotted name of a known library, `METHODS` by the method's
name, `LAYERS` by the class's name. An operation's parameters after its input are in `PARAMETERS`.
"""

from __future__ import annotations

TRANSPARENT = frozenset(
    "view reshape squeeze unsqueeze flatten permute transpose contiguous to clone index concatenate stack expand "
    "repeat output values tensor array numpy detach identity list split gather pad flip".split()
)
"""Operations that keep the numbers they are given."""

ACTIVATIONS = frozenset(
    "relu leaky_relu elu gelu silu tanh sigmoid softplus hardtanh selu celu prelu mish hardswish hardsigmoid glu "
    "relu6 softsign logsigmoid threshold".split()
)
NORMALIZATIONS = frozenset("batch_norm layer_norm group_norm instance_norm rms_norm".split())
POOLINGS = frozenset({"pool", "upsample"})
REDUCTIONS = frozenset("mean sum max min std var norm median prod quantile".split())
WEIGHTED = frozenset("linear convolution transposed_convolution embedding recurrent bilinear attention".split())
"""Operations that have weights to train."""

LOSSES: dict[str, tuple[str, ...]] = {
    "cross_entropy": ("CrossEntropyLoss", "cross_entropy"),
    "nll_loss": ("NLLLoss", "nll_loss", "NLLLoss2d"),
    "binary_cross_entropy": ("BCELoss", "binary_cross_entropy"),
    "binary_cross_entropy_with_logits": ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"),
    "mse_loss": ("MSELoss", "mse_loss"),
    "l1_loss": ("L1Loss", "l1_loss"),
    "smooth_l1_loss": ("SmoothL1Loss", "smooth_l1_loss"),
    "huber_loss": ("HuberLoss", "huber_loss"),
    "kl_div": ("KLDivLoss", "kl_div"),
    "multilabel_soft_margin_loss": ("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss"),
    "multi_margin_loss": ("MultiMarginLoss", "multi_margin_loss"),
    "poisson_nll_loss": ("PoissonNLLLoss", "poisson_nll_loss"),
    "gaussian_nll_loss": ("GaussianNLLLoss", "gaussian_nll_loss"),
    "hinge_embedding_loss": ("HingeEmbeddingLoss", "hinge_embedding_loss"),
    "cosine_embedding_loss": ("CosineEmbeddingLoss", "cosine_embedding_loss"),
    "margin_ranking_loss": ("MarginRankingLoss", "margin_ranking_loss"),
    "triplet_margin_loss": ("TripletMarginLoss", "triplet_margin_loss"),
    "soft_margin_loss": ("SoftMarginLoss", "soft_margin_loss"),
    "ctc_loss": ("CTCLoss", "ctc_loss"),
}
"""Each loss, by the class and the function that compute it."""

REGRESSION_LOSSES = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})


def _spelled(table: dict[str, str]) -> dict[str, str]:
    return {name: operation for operation, names in table.items() for name in names.split()}


FUNCTIONS: dict[str, str] = {
    **_spelled(
        {
            "softmax": "softmax softmax2d gumbel_softmax",
            "log_softmax": "log_softmax",
            "softmin": "softmin",
            "sigmoid": "sigmoid expit",
            "log": "log log2 log10 log1p",
            "exp": "exp",
            "relu": "relu relu_",
            "relu6": "relu6",
            "leaky_relu": "leaky_relu leaky_relu_ rrelu",
            "elu": "elu elu_",
            "gelu": "gelu",
            "silu": "silu swish",
            "tanh": "tanh tanh_",
            "selu": "selu",
            "celu": "celu",
            "mish": "mish",
            "softplus": "softplus",
            "hardtanh": "hardtanh",
            "hardswish": "hardswish",
            "hardsigmoid": "hardsigmoid",
            "logsigmoid": "logsigmoid",
            "softsign": "softsign",
            "prelu": "prelu",
            "glu": "glu",
            "threshold": "threshold",
            "dropout": "dropout dropout1d dropout2d dropout3d feature_dropout dropout_",
            "alpha_dropout": "alpha_dropout feature_alpha_dropout",
            "batch_norm": "batch_norm",
            "layer_norm": "layer_norm",
            "group_norm": "group_norm",
            "instance_norm": "instance_norm",
            "rms_norm": "rms_norm",
            "normalize": "normalize",
            "linear": "linear",
            "convolution": "conv1d conv2d conv3d",
            "transposed_convolution": "conv_transpose1d conv_transpose2d conv_transpose3d",
            "embedding": "embedding",
            "bilinear": "bilinear",
            "attention": "scaled_dot_product_attention",
            "pool": "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
            "adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d lp_pool2d",
            "upsample": "interpolate upsample pixel_shuffle grid_sample",
            "flatten": "flatten ravel",
            "view": "view",
            "reshape": "reshape",
            "squeeze": "squeeze",
            "unsqueeze": "unsqueeze expand_dims",
            "permute": "permute moveaxis movedim",
            "transpose": "transpose swapaxes t",
            "concatenate": "cat concat concatenate hstack vstack row_stack column_stack append r_ c_",
            "stack": "stack",
            "split": "split chunk unbind",
            "gather": "gather index_select take take_along_dim masked_select",
            "pad": "pad",
            "flip": "flip",
            "clone": "clone copy",
            "to": "asarray ascontiguousarray as_tensor",
            "array": "array",
            "tensor": "tensor from_numpy Tensor FloatTensor LongTensor DoubleTensor Variable",
            "detach": "detach",
            "mean": "mean nanmean average",
            "sum": "sum nansum einsum_sum",
            "max": "max amax nanmax maximum_reduce",
            "min": "min amin nanmin",
            "maximum": "maximum",
            "minimum": "minimum",
            "std": "std nanstd",
            "var": "var nanvar",
            "std_mean": "std_mean",
            "var_mean": "var_mean",
            "norm": "norm vector_norm",
            "median": "median nanmedian",
            "quantile": "quantile percentile",
            "prod": "prod",
            "ptp": "ptp",
            "argmax": "argmax argmin argsort topk_indices",
            "topk": "topk sort",
            "abs": "abs absolute fabs",
            "square": "square",
            "sqrt": "sqrt",
            "power": "pow power float_power",
            "clamp": "clamp clip clamp_ clamp_min clamp_max",
            "round": "round floor ceil",
            "sign": "sign",
            "where": "where",
            "logsumexp": "logsumexp",
            "matmul": "matmul mm bmm dot einsum inner addmm mv spmm",
            "multiply": "mul multiply",
            "add": "add",
            "subtract": "sub subtract",
            "divide": "div divide true_divide",
            "negative": "neg negative",
            "one_hot": "one_hot",
            "zeros": "zeros zeros_like empty empty_like",
            "ones": "ones ones_like",
            "full": "full full_like",
            "random": "randn rand randint randn_like rand_like randint_like normal uniform random random_sample standard_normal",
            "randperm": "randperm permutation",
            "arange": "arange",
            "linspace": "linspace",
            "outer": "outer",
            "compare": "eq ne gt lt ge le greater less greater_equal less_equal equal not_equal isclose",
            "isnan": "isnan isfinite isinf",
            "load": "load loadtxt genfromtxt read_csv read_excel read_parquet read_pickle load_from_disk",
        }
    ),
}
"""Functions of torch, torch.nn.functional, numpy, jax-like spellings: by the last part of the dotted name."""

METHODS: dict[str, str] = {
    **FUNCTIONS,
    **_spelled(
        {
            "view": "view view_as",
            "reshape": "reshape reshape_as",
            "to": "to cuda cpu float double half bfloat16 type type_as astype long int bool requires_grad_ pin_memory to_dense",
            "contiguous": "contiguous",
            "clone": "clone copy deepcopy",
            "expand": "expand expand_as",
            "repeat": "repeat repeat_interleave tile",
            "detach": "detach detach_",
            "numpy": "numpy to_numpy",
            "item": "item tolist",
            "squeeze": "squeeze squeeze_",
            "unsqueeze": "unsqueeze unsqueeze_",
            "values": "values_array",
            "add": "add add_",
            "subtract": "sub sub_",
            "multiply": "mul mul_",
            "divide": "div div_ true_divide",
            "power": "pow pow_",
            "matmul": "matmul mm bmm dot",
            "gather": "gather index_select masked_select take",
            "compare": "eq ne gt lt ge le",
            "index": "narrow select iloc loc head tail sample",
            "rest": "drop select_dtypes",
            "argmax": "argmax argmin argsort",
            "identity": "register_hook share_memory_ reset_index dropna fillna",
        }
    ),
}
_NO_METHODS = (
    "load append arange linspace random zeros ones full array tensor dropout dropout1d dropout2d dropout3d alpha_dropout "
    "feature_dropout feature_alpha_dropout batch_norm layer_norm group_norm instance_norm rms_norm"
)
"""Functions that no tensor has under that name: what is called so on something unknown is a layer that it holds."""

for _name in _NO_METHODS.split():
    METHODS.pop(_name, None)

PARAMETERS: dict[str, tuple[str, ...]] = {
    "softmax": ("dim",),
    "log_softmax": ("dim",),
    "mean": ("dim", "keepdim"),
    "sum": ("dim", "keepdim"),
    "max": ("dim", "keepdim"),
    "min": ("dim", "keepdim"),
    "std": ("dim",),
    "var": ("dim",),
    "norm": ("p", "dim", "keepdim"),
    "median": ("dim", "keepdim"),
    "argmax": ("dim", "keepdim"),
    "dropout": ("p", "training", "inplace"),
    "power": ("exponent",),
    "clamp": ("min", "max"),
    "normalize": ("p", "dim"),
    "concatenate": ("dim",),
    "stack": ("dim",),
    "quantile": ("q", "dim"),
    "batch_norm": ("running_mean", "running_var", "weight", "bias", "training"),
}
"""The parameters after the input of operations whose options matter."""

OPTION_NAMES = {"axis": "dim"}
"""numpy's spelling of an option, and torch's."""

LAYERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Linear": ("linear", ("in_features", "out_features", "bias")),
    "LazyLinear": ("linear", ("out_features", "bias")),
    "Bilinear": ("bilinear", ("in1_features", "in2_features", "out_features")),
    **{
        f"Conv{n}d": ("convolution", ("in_channels", "out_channels", "kernel_size", "stride", "padding"))
        for n in (1, 2, 3)
    },
    **{f"LazyConv{n}d": ("convolution", ("out_channels", "kernel_size", "stride", "padding")) for n in (1, 2, 3)},
    **{
        f"ConvTranspose{n}d": ("transposed_convolution", ("in_channels", "out_channels", "kernel_size", "stride"))
        for n in (1, 2, 3)
    },
    "Embedding": ("embedding", ("num_embeddings", "embedding_dim")),
    "EmbeddingBag": ("embedding", ("num_embeddings", "embedding_dim")),
    **dict.fromkeys(
        ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"),
        ("recurrent", ("input_size", "hidden_size", "num_layers")),
    ),
    "MultiheadAttention": ("attention", ("embed_dim", "num_heads", "dropout")),
    **dict.fromkeys(
        (
            "Transformer",
            "TransformerEncoder",
            "TransformerDecoder",
            "TransformerEncoderLayer",
            "TransformerDecoderLayer",
        ),
        ("transformer", ("d_model", "nhead")),
    ),
    **dict.fromkeys(
        (
            "BatchNorm1d",
            "BatchNorm2d",
            "BatchNorm3d",
            "SyncBatchNorm",
            "LazyBatchNorm1d",
            "LazyBatchNorm2d",
            "LazyBatchNorm3d",
        ),
        ("batch_norm", ("num_features", "eps", "momentum", "affine", "track_running_stats")),
    ),
    "LayerNorm": ("layer_norm", ("normalized_shape",)),
    "RMSNorm": ("rms_norm", ("normalized_shape",)),
    "GroupNorm": ("group_norm", ("num_groups", "num_channels")),
    **{f"InstanceNorm{n}d": ("instance_norm", ("num_features",)) for n in (1, 2, 3)},
    **dict.fromkeys(("Dropout", "Dropout1d", "Dropout2d", "Dropout3d"), ("dropout", ("p", "inplace"))),
    "AlphaDropout": ("alpha_dropout", ("p", "inplace")),
    "FeatureAlphaDropout": ("alpha_dropout", ("p", "inplace")),
    "Softmax": ("softmax", ("dim",)),
    "Softmax2d": ("softmax", ()),
    "LogSoftmax": ("log_softmax", ("dim",)),
    "Softmin": ("softmin", ("dim",)),
    "Sigmoid": ("sigmoid", ()),
    "Flatten": ("flatten", ("start_dim", "end_dim")),
    "Unflatten": ("reshape", ("dim", "unflattened_size")),
    "Identity": ("identity", ()),
    **{
        kind: (operation, ())
        for kind, operation in {
            "ReLU": "relu",
            "ReLU6": "relu6",
            "LeakyReLU": "leaky_relu",
            "RReLU": "leaky_relu",
            "ELU": "elu",
            "GELU": "gelu",
            "SiLU": "silu",
            "Tanh": "tanh",
            "SELU": "selu",
            "CELU": "celu",
            "Mish": "mish",
            "Softplus": "softplus",
            "Hardtanh": "hardtanh",
            "Hardswish": "hardswish",
            "Hardsigmoid": "hardsigmoid",
            "LogSigmoid": "logsigmoid",
            "Softsign": "softsign",
            "PReLU": "prelu",
            "GLU": "glu",
            "Threshold": "threshold",
            "Upsample": "upsample",
            "UpsamplingNearest2d": "upsample",
            "UpsamplingBilinear2d": "upsample",
            "PixelShuffle": "upsample",
            "ZeroPad2d": "pad",
            "ReflectionPad2d": "pad",
            "ReplicationPad2d": "pad",
            "ConstantPad2d": "pad",
        }.items()
    },
    **{
        f"{kind}{n}d": ("pool", ("kernel_size", "stride"))
        for kind in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool", "LPPool")
        for n in (1, 2, 3)
    },
    **{names[0]: (kind, ("weight", "size_average")) for kind, names in LOSSES.items()},
}
"""torch.nn's classes: the operation they apply, and their constructor's parameters."""

FOREIGN = frozenset(
    {"jax", "flax", "optax", "tensorflow", "keras", "mxnet", "paddle", "mindspore", "chainer", "tinygrad"}
)
"""Frameworks whose functions share torch's names and not its meaning."""

CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"})

WIDTHS: dict[str, tuple[str, ...]] = {
    "linear": ("out_features",),
    "embedding": ("embedding_dim",),
    "recurrent": ("hidden_size",),
    "bilinear": ("out_features",),
}
"""The constructor's parameter that sets the size of the last dimension of the output."""

LOSS_OPERATIONS = frozenset(LOSSES)
