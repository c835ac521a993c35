"""Encoders without weights: whether they see colours, shapes and shared words."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_image

from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.classic import ClassicImage, ClassicText
from mmbench.errors import UsageError

AROUND = Surroundings("cpu", Path("no-such-models"))


def picture_vectors(pictures):
    backend = ClassicImage("image", False, AROUND)
    backend.load()
    return backend.encode([Content(picture, None) for picture in pictures])


def text_vectors(texts):
    backend, contents = ClassicText("text", False, AROUND), [Content(None, text) for text in texts]
    backend.load()
    backend.fit(contents)
    return backend.encode(contents)


def drawn(colour, box, size=(120, 90)):
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse(box, fill=colour)
    return image


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_colour_and_shape_are_told():
    red, dark_red, blue = picture_vectors(
        [
            drawn("red", (10, 10, 60, 60)),
            drawn("firebrick", (12, 12, 62, 62)),
            drawn("blue", (10, 10, 60, 60)),
        ]
    )
    assert cosine(red, dark_red) > cosine(red, blue)
    grey, nearly = picture_vectors([Image.new("RGB", (9, 9), (level,) * 3) for level in (127, 128)])
    assert cosine(grey, nearly) > 0.95


def test_pictures_of_the_same_thing_are_near():
    photos = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    crops = [photo.crop((200, 20, 600, 420)) for photo in photos]
    palace, flower, palace_crop, flower_crop = picture_vectors([*photos, *crops])
    assert cosine(palace, palace_crop) > 0.7 > cosine(palace, flower)
    assert cosine(flower, flower_crop) > 0.7 > cosine(flower, palace_crop)


def test_the_numbers_are_counted_where_the_picture_is_opened():
    picture = drawn("red", (10, 10, 60, 60))
    counted = pickle.loads(pickle.dumps(ClassicImage("image", False, AROUND).picture()))(picture)
    assert counted.shape == (893,)
    np.testing.assert_array_equal(picture_vectors([picture])[0], counted)


def test_an_item_without_the_content_is_refused():
    backend = ClassicImage("image", False, AROUND)
    with pytest.raises(ValueError, match="without a picture"):
        backend.encode([Content(drawn("red", (1, 1, 9, 9)), None), Content(None, "a red dot")])


def test_texts_that_share_words_are_related():
    shoes = ["red running shoe", "blue running shoe", "green running shoe for men"]
    pots = ["steel cooking pot", "large cooking pot with lid", "copper cooking pot"]
    vectors = text_vectors(shoes + pots)
    assert vectors.shape == (6, 5)
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[3])


@pytest.mark.parametrize(
    "texts",
    [
        ["shoe"],
        ["red shoe", "red shoe"],
        ["a b", "b c", "c a"],
        ["the of and", "the", "of"],
        ["😀", "😀😀", "", " "],
        ["word " * 20_000, "letters" * 14_286],
    ],
)
def test_odd_catalogues_are_survived(texts):
    vectors = text_vectors(texts)
    norms = np.linalg.norm(vectors, axis=1)
    assert vectors.shape[1] >= 1
    assert np.all((norms < 1e-6) | (np.abs(norms - 1) < 1e-5))


@pytest.mark.parametrize(("made", "modality"), [(ClassicImage, "image"), (ClassicText, "text")])
def test_there_are_no_weights_to_name(tmp_path, made, modality):
    with pytest.raises(UsageError, match="has no weights to read: leave it out") as error:
        made(modality, False, Surroundings("cpu", tmp_path, tmp_path))
    assert "\n" not in str(error.value)
