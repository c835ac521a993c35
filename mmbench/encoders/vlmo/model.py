"""VLMo: a text, an image or both, through one transformer."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize, pad

from mmbench.encoders.random_weights import random_model
from mmbench.encoders.vlmo.config import Config
from mmbench.encoders.vlmo.embeddings import TextEmbeddings
from mmbench.encoders.vlmo.positions import joint_index
from mmbench.encoders.vlmo.tasks import Pooler, logit_scales, task_modules
from mmbench.encoders.vlmo.transformer import Route, Transformer
from mmbench.errors import UsageError

TEXT, IMAGE = 0, 1  # rows of the outer type table
NEEDS = {
    "itc": "a pretrained, coco or f30k checkpoint",
    "itc_vl": "a pretrained checkpoint",
}


@dataclass(frozen=True)
class _Sequence:
    """A batch of token sequences on their way: text first, image last, each possibly empty."""

    states: Tensor  # (n, n_text + n_image, dim)
    n_text: int
    n_image: int
    padding: Tensor | None  # (n, 1, 1, length), 0 for a token and -inf for none
    index: Tensor | None  # (length, length) rows of the bias table


class VLMo(nn.Module):
    """The model of one configuration.

    `text_ids` and `text_masks` are (n, length) int64 with length up to `config.text_length`;
    `pixel_values` are (n, 3, image_size, image_size). Each pass returns a dict of float tensors
    under the names of the official code. A text may be padded or not: the results are the same.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.text_embeddings = TextEmbeddings(config)
        self.token_type_embeddings = nn.Embedding(config.modality_types, config.dim)
        self.pooler = Pooler(config.dim)
        for name, module in task_modules(config).items():
            self.add_module(name, module)
        for name, scale in logit_scales(config).items():
            self.register_parameter(name, scale)
        if config.relative:
            table = torch.zeros(config.table_rows, config.depth * config.heads)
            self.relative_position_bias_table = nn.Parameter(table)
            self.joint_index: Tensor
            self.register_buffer("joint_index", joint_index(config), persistent=False)

    def infer_text_ft(self, text_ids: Tensor, text_masks: Tensor) -> dict[str, Tensor]:
        """Return the retrieval features of texts.

        Returns: cls_feats (n, dim), unit vectors; raw_cls_feats (n, dim), before the last
            normalisation; text_feats (n, length, dim), after it.

        Raises:
            UsageError: the checkpoint has no retrieval head, or the text is too long.
        """
        _, last = self._alone(self._text(text_ids, text_masks), "text")
        return self._retrieval(last, "text")

    def infer_image_ft(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Return the retrieval features of pictures: as of texts, with image_feats.

        Raises:
            UsageError: the checkpoint has no retrieval head, or the size is not the model's.
        """
        _, last = self._alone(self._image(pixel_values), "imag")
        return self._retrieval(last, "image")

    def infer_text(self, text_ids: Tensor, text_masks: Tensor) -> dict[str, Tensor]:
        """Return what `infer_text_ft` does and cls_vlffn_feats (n, dim), unit vectors that
        passed the vision-language experts.

        Raises:
            UsageError: the checkpoint is none of pretraining, or the text is too long.
        """
        return self._contrast(self._text(text_ids, text_masks), "text", "text")

    def infer_image(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Return what `infer_image_ft` does and cls_vlffn_feats (n, dim).

        Raises:
            UsageError: the checkpoint is none of pretraining, or the size is not the model's.
        """
        return self._contrast(self._image(pixel_values), "imag", "image")

    def infer(
        self, text_ids: Tensor, text_masks: Tensor, pixel_values: Tensor
    ) -> dict[str, Tensor]:
        """Return the features of texts and pictures seen together.

        Returns: cls_feats (n, dim), pooled in (-1, 1); raw_cls_feats (n, dim), text_feats
            (n, length, dim) and image_feats (n, 1 + grid², dim), after the last normalisation.

        Raises:
            UsageError: there are no vision-language experts, or a length or size is not the
                model's.
        """
        if self.config.vl_start == self.config.depth:
            raise UsageError(
                "this VLMo has no vision-language experts (a checkpoint of stage 2?): the joint "
                "pass needs a pretrained or finetuned checkpoint"
            )
        both = self._joined(self._text(text_ids, text_masks), self._image(pixel_values))
        below: Route = (("text", both.n_text), ("imag", both.n_image))
        states = self._through(both, both.states, range(self.config.vl_start), below)
        states = self._through(both, states, self._upper(), (("vl", both.states.shape[1]),))
        states = self.transformer.norm(states)
        return {
            "text_feats": states[:, : both.n_text],
            "image_feats": states[:, both.n_text :],
            "cls_feats": self.pooler(states),
            "raw_cls_feats": states[:, 0],
        }

    def _text(self, text_ids: Tensor, text_masks: Tensor) -> _Sequence:
        length = text_ids.shape[1]
        if length > self.config.text_length:
            raise UsageError(
                f"texts of {length} tokens: this VLMo takes {self.config.text_length} at most"
            )
        states = self.text_embeddings(text_ids) + self.token_type_embeddings.weight[TEXT]
        padding = torch.zeros_like(text_masks, dtype=states.dtype)
        padding = padding.masked_fill(text_masks == 0, float("-inf"))[:, None, None, :]
        index = self.joint_index[:length, :length] if self.config.relative else None
        return _Sequence(states, length, 0, padding, index)

    def _image(self, pixel_values: Tensor) -> _Sequence:
        states = self.transformer.embed(pixel_values) + self.token_type_embeddings.weight[IMAGE]
        start = self.config.text_length
        index = self.joint_index[start:, start:] if self.config.relative else None
        return _Sequence(states, 0, states.shape[1], None, index)

    def _joined(self, text: _Sequence, image: _Sequence) -> _Sequence:
        states = torch.cat([text.states, image.states], dim=1)
        padding, index = text.padding, None
        if padding is not None:
            padding = pad(padding, (0, image.n_image))  # (n, 1, 1, n_text + n_image)
        if self.config.relative:
            kept = torch.arange(len(self.joint_index), device=states.device)
            kept = kept[(kept < text.n_text) | (kept >= self.config.text_length)]
            index = self.joint_index[kept][:, kept]
        return _Sequence(states, text.n_text, image.n_image, padding, index)

    def _upper(self) -> range:
        return range(self.config.vl_start, self.config.depth)

    def _through(
        self, sequence: _Sequence, states: Tensor, layers: Iterable[int], route: Route
    ) -> Tensor:
        for layer in layers:
            states = self.transformer.blocks[layer](states, self._bias(sequence, layer), route)
        return states

    def _bias(self, sequence: _Sequence, layer: int) -> Tensor | None:
        if sequence.index is None:
            return sequence.padding
        heads = self.config.heads
        table = self.relative_position_bias_table[:, layer * heads : (layer + 1) * heads]
        bias = embedding(sequence.index, table).permute(2, 0, 1)[None]  # (1, heads, q, k)
        return bias if sequence.padding is None else bias + sequence.padding

    def _alone(self, sequence: _Sequence, expert: str) -> tuple[Tensor, Tensor]:
        """Return the states below the vision-language layers, and those after all layers."""
        self._require("itc")
        route: Route = ((expert, sequence.states.shape[1]),)
        below = self._through(sequence, sequence.states, range(self.config.vl_start), route)
        return below, self._through(sequence, below, self._upper(), route)

    def _retrieval(self, last: Tensor, modality: str) -> dict[str, Tensor]:
        states = self.transformer.norm(last)
        return {
            f"{modality}_feats": states,
            "cls_feats": self._projected(f"itc_{modality}_proj", states),
            "raw_cls_feats": last[:, 0],
        }

    def _contrast(self, sequence: _Sequence, expert: str, modality: str) -> dict[str, Tensor]:
        self._require("itc_vl")
        below, last = self._alone(sequence, expert)
        route: Route = (("vl", sequence.states.shape[1]),)
        other = self.transformer.norm(self._through(sequence, below, self._upper(), route))
        crossed = self._projected(f"itc_vl_{modality}_proj", other)
        return {**self._retrieval(last, modality), "cls_vlffn_feats": crossed}

    def _projected(self, head: str, states: Tensor) -> Tensor:
        return normalize(self.get_submodule(head)(states[:, 0]), dim=-1)  # (n, dim)

    def _require(self, task: str) -> None:
        if task not in self.config.tasks:
            raise UsageError(f"this VLMo has no head '{task}': that pass needs {NEEDS[task]}")


def random_vlmo(config: Config, seed: int) -> VLMo:
    """Return a model with the random weights it would start its training from."""
    return random_model(lambda: VLMo(config), seed)
