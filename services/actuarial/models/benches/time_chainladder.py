"""Times chainladder on the triangles of `benches/reserving.rs`: prints triangles per second, Mack's
errors first, then the bootstrap."""

import sys
import time
import warnings

warnings.filterwarnings("ignore")

import chainladder as cl
import pandas as pd

rows = pd.read_csv(sys.argv[1])
companies = {int(code) for code in sys.argv[2].split(",")}
rows = rows[rows.GRCODE.isin(companies) & rows.AccidentYear.between(1998, 2007)].copy()
rows["valuation"] = rows.AccidentYear + rows.lag - 1
rows = rows[(rows.valuation <= 2007) & rows.lag.between(1, 10)]
triangle = cl.Triangle(
    rows,
    origin="AccidentYear",
    development="valuation",
    columns="CumPaidLoss",
    index="GRCODE",
    cumulative=True,
)
best = float("inf")
for _ in range(3):
    start = time.perf_counter()
    model = cl.MackChainladder().fit(triangle)
    errors = model.mack_std_err_.values, model.total_process_risk_.values
    best = min(best, time.perf_counter() - start)
print(len(companies) / best)

one = triangle.iloc[int(sys.argv[3])]
draws, best = 1000, float("inf")
for _ in range(3):
    start = time.perf_counter()
    sampled = cl.BootstrapODPSample(n_sims=draws, random_state=1).fit_transform(one)
    reserves = cl.Chainladder().fit(sampled).ibnr_.sum("origin")
    best = min(best, time.perf_counter() - start)
print(draws / best)
