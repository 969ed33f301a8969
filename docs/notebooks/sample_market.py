"""Sells cars in a sandbox market, so that there is something to ask about.

    commonwheel up --clock 2025-12-01T10:00:00+08:00 --announce sandbox.json
    python3 sample_market.py sandbox.json 12

Every insurer of Jiangsu sells so many cars, compulsory and third-party cover for a year from the day
after the sandbox's clock. Needs nothing but Python.
"""

import datetime
import json
import sys
import urllib.parse
import urllib.request

INSURERS = ["picc-320000", "paic-320000", "cpic-320000", "ccic-320000"]


def call(url, body, headers):
    """Posts a form or a document and reads the answer."""
    form = isinstance(body, bytes)
    data = body if form else json.dumps(body).encode()
    headers = dict(headers) if form else {"Content-Type": "application/json", **headers}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return json.load(answer), answer.headers


def with_check_digit(vin):
    """ISO 3779's check digit at position 9."""
    weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]
    letters = "ABCDEFGH.JKLMN.P.R.STUVWXYZ"
    value = lambda c: int(c) if c.isdigit() else letters.index(c) % 9 + 1
    check = sum(value(c) * w for c, w in zip(vin, weights)) % 11
    return vin[:8] + ("X" if check == 10 else str(check)) + vin[9:]


def message(number, start):
    """A quote message of a private car."""
    party = {"name": "李芳", "certificateKind": "01", "certificateNo": "11010519491231002X",
             "mobile": "13800001234"}
    vehicle = {"frameNo": with_check_digit(f"LSVAM4180C2{number:06}"), "engineNo": f"EA211{number:06}",
               "plate": f"苏A{number + 1:05}", "plateKind": "02", "category": "11", "usage": "210",
               "fuel": "A", "seats": 5, "curbWeightKg": "1280", "displacementCc": 1598, "powerKw": "81",
               "madeOn": "2019-12-01", "firstRegisteredOn": "2020-01-15", "modelCode": "BDZ1600FV7160"}
    cover = {"coverageCode": "M02", "limitAmount": "1000000.00"}
    return {"vehicle": vehicle, "owner": party, "applicant": party, "insured": party,
            "compulsory": {"start": start},
            "commercial": {"start": start, "autonomousCoefficient": "1.00", "covers": [cover]}}


def sell(api, headers, number, start):
    """From the quote to the policies."""
    quoted, _ = call(f"{api}/v1/quotes", message(number, start), headers)
    query = quoted["queryCode"]

    def step(name, body):
        keyed = {**headers, "Idempotency-Key": f"{query}-{name}"}
        return call(f"{api}/v1/quotes/{query}/{name}", body, keyed)[0]

    frozen = step("pre-confirm", {})
    step("payment", {"reference": f"POS-{query}", "amount": frozen["payable"], "method": "pos",
                     "payerName": "李芳"})
    amounts = frozen["amounts"]
    confirmation = {"tax": amounts["tax"], "fee": amounts["fee"]}
    for kind in ["compulsory", "commercial"]:
        if amounts.get(kind):
            confirmation[kind] = {"policyNo": f"{kind}-{query}", "premium": amounts[kind]}
    step("confirm", confirmation)


def main(announced, count):
    with open(announced) as file:
        sandbox = json.load(file)
    secrets = {client["clientId"]: client["clientSecret"] for client in sandbox["clients"]}
    api, number = sandbox["api"], 100
    for client in INSURERS:
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secrets[client]}
        granted, headers = call(f"{api}/oauth/token", urllib.parse.urlencode(form).encode(), {})
        with urllib.request.urlopen(f"{sandbox['ops']}/sandbox/clock") as clock:
            now = datetime.datetime.fromisoformat(json.load(clock)["now"].replace("Z", "+00:00"))
        china = datetime.timezone(datetime.timedelta(hours=8))
        tomorrow = now.astimezone(china).date() + datetime.timedelta(days=1)
        for _ in range(count):
            number += 1
            auth = {"Authorization": f"Bearer {granted['access_token']}"}
            sell(api, auth, number, tomorrow.strftime("%Y%m%d00"))
        print(f"{client} sold {count} cars")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 12)
