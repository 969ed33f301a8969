"""Times glum on the model of `benches/glm.rs`: prints the seconds of three fits."""

import sys
import time

import numpy as np
import pandas as pd
from glum import GeneralizedLinearRegressor

rows = pd.read_csv(sys.argv[1])
rows = rows[rows.SplitS100 == "L"]
age, driver = rows.VehAge, rows.DrivAge
design = pd.DataFrame(
    {
        "VehPower": pd.Categorical(rows.VehPower.clip(upper=9)),
        "VehAge": pd.Categorical(1 + (age >= 1) + (age > 10)),
        "DrivAge": pd.Categorical(np.searchsorted([21, 26, 31, 41, 51, 71], driver, side="right")),
        "BonusMalus": rows.BonusMalus.clip(upper=150).astype(float),
        "VehBrand": pd.Categorical(rows.VehBrand),
        "VehGas": pd.Categorical(rows.VehGas),
        "lnDensity": np.log(rows.Density),
        "Region": pd.Categorical(rows.Region),
        "Area": rows.Area.map(lambda area: ord(area) - ord("A") + 1).astype(float),
    }
)
claims = rows.ClaimNb.clip(upper=4).to_numpy(float)
exposure = rows.Exposure.clip(upper=1).to_numpy(float)
for _ in range(3):
    model = GeneralizedLinearRegressor(
        family="poisson", alpha=0, drop_first=True, gradient_tol=1e-8, fit_intercept=True
    )
    start = time.perf_counter()
    model.fit(design, claims, offset=np.log(exposure))
    print(time.perf_counter() - start)
