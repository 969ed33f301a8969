"""Times LightGBM on the portfolio of `benches/trees.rs` until it is as good as somebody else: given a mean
Poisson deviance out of sample, prints the number of trees with which it first is no worse, the seconds of
three fits of so many, then its deviance. Settings, and the most trees, are those of the stored comparison,
chosen there on a validation part of the learning rows; a deviance it does not reach is compared with those."""

import sys
import time

import lightgbm as lgb
import numpy as np
import pandas as pd

rows = pd.read_csv(sys.argv[1])
names = ["VehPower", "VehAge", "DrivAge", "BonusMalus", "Density", "Area", "VehBrand", "VehGas", "Region"]
design = rows[names].copy()
for name in names[5:]:
    design[name] = pd.Categorical(design[name])
claims = rows.ClaimNb.clip(upper=4).to_numpy(float)
exposure = rows.Exposure.clip(upper=1).to_numpy(float)
learn = (rows.SplitS100 == "L").to_numpy()
settings = {
    "objective": "poisson",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 500,
    "lambda_l2": 10.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "cat_smooth": 50,
    "max_cat_to_onehot": 4,
    "poisson_max_delta_step": 0.7,
    "boost_from_average": False,
    "verbosity": -1,
    "num_threads": 2,
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
}
start_score = np.log(exposure) + np.log(claims[learn].sum() / exposure[learn].sum())
seen = claims[~learn]


def fit(trees):
    data = lgb.Dataset(design[learn], claims[learn], init_score=start_score[learn])
    return lgb.train(settings, data, num_boost_round=trees)


def deviance(scores):
    means = np.exp(start_score[~learn] + scores)
    logs = np.where(seen > 0, seen * np.log(np.maximum(seen, 1e-300) / means), 0)
    return (2 * (means - seen + logs)).mean()


MOST = 701
STEP = 10
model = fit(MOST)
scores = np.zeros(len(seen))
trees = 0
while trees < MOST and not (trees and deviance(scores) <= float(sys.argv[2])):
    more = min(STEP, MOST - trees)
    scores += model.predict(design[~learn], raw_score=True, start_iteration=trees, num_iteration=more)
    trees += more
print(trees)
for _ in range(3):
    start = time.perf_counter()
    fit(trees)
    print(time.perf_counter() - start)
print(deviance(scores))
