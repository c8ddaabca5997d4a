"""A training step of skein's GPT in PyTorch: what `skein bench engine --against torch` measures beside its own.

The model is that of src/model/gpt.ts, parameter for parameter, and the step is the fastest plain PyTorch we
know: fused attention, fused AdamW, float32 throughout. Needs torch 2.0 or later and nothing else.

It speaks JSON, a line each way. It starts with
  {"ready": true, "torch": "2.6.0", "device": "AMD EPYC", "blas": "OpenBLAS", "parameters": 5904384}
and answers each line of its input until the input ends:
  {"run": "steps", "count": 3}    -> {"ms": [101.2, 99.8, 100.1]}   steps, each timed
  {"run": "sgemm", "size": 2048}  -> {"gflops": 215.3}              the best product of two square matrices
  {"run": "memory"}               -> {"peakBytes": 1203765248}      of the process, or allocated on the GPU
Whatever goes wrong is one line {"error": "..."}, and the exit code is 1.

PyTorch's speed on a CPU depends on its environment, which is left to whoever starts this. Two things cost it
most: glibc gives large buffers back to the system at every step, unless it is told to keep them with
MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184; and MKL leaves out its AVX-512 kernels on AMD's
processors, which shows in the sgemm figure.
"""

import argparse
import functools
import json
import math
import os
import platform
import sys
import time

# As in src/model/parameters.ts and layer-norm.ts.
MLP_EXPANSION = 4
WEIGHT_DEVIATION = 0.02
LAYER_NORM_EPSILON = 1e-5

LEARNING_RATE = 3e-4
BETAS = (0.9, 0.95)
EPSILON = 1e-8
WEIGHT_DECAY = 0.1
CLIP = 1.0

SGEMM_SECONDS = 0.2


def say(answer):
    print(json.dumps(answer), flush=True)


def fail(message):
    say({"error": message})
    sys.exit(1)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        fail(message)


def parse_arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("width", "layers", "heads", "head-size", "context", "batch", "vocabulary", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--tf32", action="store_true", help="let the GPU multiply in TensorFloat-32")
    return parser.parse_args()


options = parse_arguments()
# BLAS libraries read these when torch loads them; torch.set_num_threads does not reach all of them.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(options.threads)
try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    fail(f"torch does not load: {error} (in {sys.executable})")


class Block(nn.Module):
    """Causal attention, then an MLP, each normalised first and added to the residual stream."""

    def __init__(self, width, heads, head_size):
        super().__init__()
        self.heads, self.head_size = heads, head_size
        self.attention_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.attention_in = nn.Linear(width, 3 * heads * head_size)
        self.attention_out = nn.Linear(heads * head_size, width)
        self.mlp_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.mlp_in = nn.Linear(width, MLP_EXPANSION * width)
        self.mlp_out = nn.Linear(MLP_EXPANSION * width, width)

    def forward(self, x):
        x = x + self.attention_out(self.attend(self.attention_in(self.attention_norm(x))))
        return x + self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x)), approximate="tanh"))

    def attend(self, qkv):
        batch, context, _ = qkv.shape
        heads = qkv.view(batch, context, 3, self.heads, self.head_size)
        q, k, v = (part.transpose(1, 2) for part in heads.unbind(2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return y.transpose(1, 2).reshape(batch, context, self.heads * self.head_size)


class GPT(nn.Module):
    """A pre-norm decoder with learned positions and its head tied to the token embedding."""

    def __init__(self, vocabulary, width, layers, heads, head_size, context):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(context, width))
        self.blocks = nn.ModuleList(Block(width, heads, head_size) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.initialise()

    def initialise(self):
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                to_residual = name.endswith("_out.weight")
                shrink = math.sqrt(2 * len(self.blocks)) if to_residual else 1
                nn.init.normal_(parameter, std=WEIGHT_DEVIATION / shrink)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, inputs, targets):
        """Mean cross-entropy in nats per token."""
        x = self.tokens(inputs) + self.positions
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def adamw(model):
    """Decays matrices only. One fused kernel where this torch has it for the device."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() == 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    chosen = {"lr": LEARNING_RATE, "betas": BETAS, "eps": EPSILON}
    try:
        return torch.optim.AdamW(groups, fused=True, **chosen)
    except RuntimeError:
        return torch.optim.AdamW(groups, foreach=True, **chosen)


class Bench:
    def __init__(self):
        torch.set_num_threads(options.threads)
        torch.set_float32_matmul_precision("high" if options.tf32 else "highest")
        self.device = torch.device(options.device)
        with torch.device(self.device):
            self.model = GPT(
                options.vocabulary,
                options.width,
                options.layers,
                options.heads,
                options.head_size,
                options.context,
            )
        self.optimiser = adamw(self.model)

    def ready(self):
        return {
            "ready": True,
            "torch": torch.__version__,
            "device": device_name(self.device),
            "blas": blas_name(self.device),
            "parameters": sum(p.numel() for p in self.model.parameters()),
        }

    def steps(self, count):
        return {"ms": [1e3 * self.timed(self.step, self.batch()) for _ in range(count)]}

    def batch(self):
        shape = (options.batch, options.context + 1)
        return torch.randint(options.vocabulary, shape, device=self.device)

    def step(self, tokens):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.model(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        # Left to itself, it takes the foreach kernels wherever they are.
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimiser.step()

    def sgemm(self, size):
        a = torch.randn(size, size, device=self.device)
        b = torch.randn(size, size, device=self.device)
        product = functools.partial(torch.mm, a, b, out=torch.empty_like(a))
        self.timed(product)
        best, spent = math.inf, 0.0
        while spent < SGEMM_SECONDS:
            seconds = self.timed(product)
            best, spent = min(best, seconds), spent + seconds
        return {"gflops": 2 * size**3 / best / 1e9}

    def memory(self):
        if self.device.type == "cuda":
            return {"peakBytes": torch.cuda.max_memory_allocated()}
        return {"peakBytes": peak_resident_bytes()}

    def timed(self, work, *arguments):
        self.synchronise()
        start = time.perf_counter()
        work(*arguments)
        self.synchronise()
        return time.perf_counter() - start

    def synchronise(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def device_name(device):
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return field_of("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def blas_name(device):
    if device.type == "cuda":
        return f"cuBLAS of CUDA {torch.version.cuda}"
    if torch.backends.mkl.is_available():
        return "MKL"
    # Some builds name their BLAS, others link whichever the system has.
    traces = (torch.__config__.show() + contents("/proc/self/maps")).lower()
    return next((name for name in ("OpenBLAS", "Accelerate", "BLIS") if name.lower() in traces), "unknown")


def peak_resident_bytes():
    status = field_of("/proc/self/status", "VmHWM")
    if status:
        return int(status.split()[0]) * 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def field_of(path, name):
    """The value of the first `name: value` line of a file of /proc; empty where there is none."""
    lines = contents(path).splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def contents(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def answer(bench, request):
    run = request.get("run")
    if run == "steps":
        return bench.steps(request["count"])
    if run == "sgemm":
        return bench.sgemm(request["size"])
    if run == "memory":
        return bench.memory()
    raise ValueError(f"cannot run {run!r}")


def main():
    bench = Bench()
    say(bench.ready())
    for line in sys.stdin:
        say(answer(bench, json.loads(line)))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # all of it goes to the one who asked
        fail(f"{type(error).__name__}: {error}")
