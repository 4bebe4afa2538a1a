"""Where people call and write to: real prefixes, several inside one another, with made-up prices."""

from decimal import Decimal
from typing import Final, NamedTuple


class Destination(NamedTuple):
    """List prices in cents of a euro: `call_cents` for a minute, `sms_cents` for a fragment. `traffic`: its weight."""

    prefix: str
    name: str
    call_cents: Decimal
    sms_cents: Decimal
    traffic: int


_TABLE: Final = """
1|USA and Canada|1.1|0.79|60
1242|Bahamas|18.5|4.2|1
1684|American Samoa|21|3.9|1
1787|Puerto Rico|2.4|0.9|2
1876|Jamaica|24.9|5.1|1
20|Egypt|11.2|6.6|3
27|South Africa|5.9|1.9|3
30|Greece|1.6|3.9|2
306|Greece mobile|2.9|4.1|3
31|Netherlands|1.3|6.9|6
316|Netherlands mobile|2.7|7.5|8
32|Belgium|1.7|6.2|4
324|Belgium mobile|3.1|6.8|5
33|France|1.05|4.5|12
336|France mobile|2.3|4.9|10
337|France mobile|2.3|4.9|8
34|Spain|1.2|4.1|8
346|Spain mobile|2.1|4.4|8
347|Spain mobile|2.1|4.4|3
351|Portugal|1.4|3.4|2
3519|Portugal mobile|2.5|3.6|3
353|Ireland|1.6|5.5|2
3538|Ireland mobile|2.8|5.9|3
358|Finland|4.4|6.1|2
359|Bulgaria|2.9|5.2|1
36|Hungary|1.8|5.8|2
380|Ukraine|13.5|6.9|2
385|Croatia|2.6|4.9|1
39|Italy|1.15|5.9|9
393|Italy mobile|2.6|6.3|11
40|Romania|1.9|4.8|3
407|Romania mobile|2.7|5|3
41|Switzerland|2.2|4.6|6
417|Switzerland mobile|9.8|5.2|7
420|Czechia|1.7|3.6|3
421|Slovakia|2.1|4.4|1
43|Austria|2.05|6.4|8
436|Austria mobile|2.95|7.1|9
44|United Kingdom|0.95|3.1|16
447|United Kingdom mobile|1.85|3.4|20
45|Denmark|1.35|3.9|3
46|Sweden|1.25|4.9|3
467|Sweden mobile|2.05|5.3|4
47|Norway|1.85|5.1|3
48|Poland|1.45|2.6|5
485|Poland mobile|2.2|2.7|4
49|Germany|0.89|6.6|40
4915|Germany mobile|1.99|7.2|34
4916|Germany mobile|1.99|7.2|18
4917|Germany mobile|1.99|7.2|28
49800|Germany freephone|0|6.6|2
51|Peru|4.7|4.9|1
52|Mexico|1.9|2.8|4
54|Argentina|3.6|5.2|1
549|Argentina mobile|12.4|5.6|2
55|Brazil|2.9|2.4|3
559|Brazil mobile|4.8|2.6|2
56|Chile|3.1|3.9|1
57|Colombia|2.7|0.9|2
60|Malaysia|2.4|2.9|2
61|Australia|1.95|3.3|4
614|Australia mobile|3.4|3.7|5
62|Indonesia|6.8|21.5|2
63|Philippines|10.9|13.9|2
64|New Zealand|2.2|6.9|1
65|Singapore|1.75|3.8|3
66|Thailand|3.3|1.8|2
7|Russia|6.2|12.5|2
77|Kazakhstan|14.9|9.8|1
81|Japan|3.2|5.9|3
8190|Japan mobile|9.1|6.3|2
82|South Korea|2.1|1.9|2
84|Vietnam|7.7|6.8|1
852|Hong Kong|2.3|4.7|2
86|China|1.7|2.2|4
880|Bangladesh|3.9|11.2|1
886|Taiwan|3.5|4.1|1
90|Turkey|4.2|1.1|3
905|Turkey mobile|16.8|1.2|4
91|India|1.5|0.35|8
92|Pakistan|5.2|4.3|1
966|Saudi Arabia|8.4|5.7|1
9665|Saudi Arabia mobile|11.7|5.9|1
971|United Arab Emirates|14.2|4|2
9715|United Arab Emirates mobile|15.6|4.2|3
972|Israel|1.6|9.9|2
9725|Israel mobile|4.1|10.4|2
998|Uzbekistan|10.3|8.6|1
"""


def _destination(line: str) -> Destination:
    prefix, name, call_cents, sms_cents, traffic = line.split("|")
    return Destination(prefix, name, Decimal(call_cents), Decimal(sms_cents), int(traffic))


DESTINATIONS: Final = tuple(_destination(line) for line in _TABLE.strip().splitlines())
