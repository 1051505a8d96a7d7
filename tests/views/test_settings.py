from regress.types import Difference, ModelSpec
from regress.views.settings import difference, model


def test_long_settings_are_shown_from_where_they_part() -> None:
    same = "lm-eval 0.4.13, torch 2.13.0, transformers "
    shown = difference(Difference(field="engine.version", old=same + "5.23.0", new=same + "5.24.0"))
    assert shown == "engine version ….0, transformers 5.23.0 → ….0, transformers 5.24.0"


def test_hashes_that_begin_alike_are_shown_from_where_they_part() -> None:
    same = "a" * 63
    shown = difference(Difference(field="task.prompts", old=same + "b", new=same + "c"))
    assert shown == f"prompts …{'a' * 20}b → …{'a' * 20}c"
    apart = difference(Difference(field="task.prompts", old="b" + same, new="c" + same))
    assert apart == "prompts baaaaaaa → caaaaaaa"


def test_what_no_eye_could_tell_apart_is_said_not_to_be_the_same() -> None:
    assert (
        difference(Difference(field="model.system", old="a b", new="a  b"))
        == "system instruction not the same"
    )
    assert difference(Difference(field="engine.batch_size", old=8, new="8")) == "batch size not the same"


def test_of_a_longer_setting_that_begins_like_the_other_the_end_is_shown() -> None:
    shown = difference(Difference(field="task.prompts", old="p" * 64, new="p" * 65))
    assert shown == f"prompts …{'p' * 20} → …{'p' * 21}"


def test_a_model_is_named_with_what_pins_it() -> None:
    spec = ModelSpec(
        name="vicuna", source="lmsys/vicuna-7b", revision="a" * 40, dtype="float16", quantization="gptq"
    )
    assert model(spec) == "vicuna · lmsys/vicuna-7b · revision aaaaaaaa · float16 · gptq"
    tuned = ModelSpec(name="m", source="m", adapter="team/lora", fingerprint="b" * 64)
    assert model(tuned) == "m · adapter team/lora · weights bbbbbbbb · weight type unknown"


def test_the_built_in_pair_is_called_that_and_not_by_a_folder() -> None:
    spec = ModelSpec(name="demo-v1", source="built in", dtype="float32", fingerprint="3fa9c1d2" * 8)
    assert model(spec) == "demo-v1 · built in · weights 3fa9c1d2 · float32"
