"""Fine-tuning: recipes as data, and the one loop that follows them."""

from ttl.finetune.loop import Fit, Images, fit
from ttl.finetune.predict import normalised, predict
from ttl.finetune.recipes import RECIPES, Phase, Recipe, recipe

__all__ = ["RECIPES", "Fit", "Images", "Phase", "Recipe", "fit", "normalised", "predict", "recipe"]
