"""Times LightGBM on the portfolio of `benches/trees.rs`: prints the seconds of three fits, then the
mean Poisson deviance out of sample. Settings and number of trees are those of the stored comparison,
chosen there on a validation part of the learning rows."""

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
for _ in range(3):
    start = time.perf_counter()
    data = lgb.Dataset(design[learn], claims[learn], init_score=start_score[learn])
    model = lgb.train(settings, data, num_boost_round=701)
    print(time.perf_counter() - start)
means = np.exp(start_score[~learn] + model.predict(design[~learn], raw_score=True))
seen = claims[~learn]
logs = np.where(seen > 0, seen * np.log(np.maximum(seen, 1e-300) / means), 0)
print((2 * (means - seen + logs)).mean())
