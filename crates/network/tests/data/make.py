#!/usr/bin/env python3
"""Writes the MMDB files of the tests: one per layout, of made-up content.

Addresses are those for documentation (RFC 5737, RFC 3849) and, where a test needs one that may be looked up, those of
the AS112 project (RFC 7534, RFC 7535), which belong to nobody. AS numbers are those for documentation (RFC 5398).
See README.md for the version and the command. The files are the same on every run.
"""

import pathlib
import time

from mmdb_writer import MMDBWriter, MmdbU32
from netaddr import IPSet

HERE = pathlib.Path(__file__).parent
BUILT = 1_790_000_000  # 2026-09-21

TEST_NET_1, TEST_NET_2, TEST_NET_3 = "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"
DOCUMENTATION_6 = "2001:db8::/32"
AS112_4, AS112_6 = "192.31.196.0/24", "2620:4f:8000::/48"


def names(english):
    return {"de": english + " (de)", "en": english}


def country(code, english):
    return {"geoname_id": MmdbU32(1), "iso_code": code, "names": names(english)}


def write(name, kind, records, ip_version=6):
    writer = MMDBWriter(
        ip_version=ip_version,
        ipv4_compatible=ip_version == 6,
        database_type=kind,
        languages=["en"],
        description={"en": "made up for the tests of vigie"},
        int_type="u32",
    )
    for networks, record in records:
        writer.insert_network(IPSet(networks), record)
    writer.to_db_file(str(HERE / name))


time.time = lambda: BUILT  # The build epoch is the writer's clock.

# GeoLite2-City, DB-IP City Lite: nested. The second record has a registered country only, as 1.0.0.0/24 had in
# GeoLite2-Country of 2026-01; the third a city without a country.
write(
    "nested-city.mmdb",
    "GeoLite2-City",
    [
        (
            [TEST_NET_1, AS112_4, DOCUMENTATION_6],
            {
                "city": {"geoname_id": MmdbU32(2), "names": names("Neuss")},
                "continent": {"code": "EU", "names": names("Europe")},
                "country": country("DE", "Germany"),
                "location": {"latitude": 51.2, "longitude": 6.7, "time_zone": "Europe/Berlin"},
                "registered_country": country("FR", "France"),
                "subdivisions": [{"iso_code": "NW", "names": names("North Rhine-Westphalia")}],
            },
        ),
        ([TEST_NET_2], {"registered_country": country("AU", "Australia")}),
    ],
)

# GeoLite2-ASN, DB-IP ASN Lite.
write(
    "asn.mmdb",
    "GeoLite2-ASN",
    [
        (
            [TEST_NET_1, AS112_4, DOCUMENTATION_6],
            {"autonomous_system_number": MmdbU32(64496), "autonomous_system_organization": "Example University"},
        ),
        ([TEST_NET_2], {"autonomous_system_number": MmdbU32(64497)}),
        (
            [TEST_NET_3, AS112_6],
            {"autonomous_system_number": MmdbU32(64498), "autonomous_system_organization": "Example Telecom University"},
        ),
    ],
)

# GeoIP2-Enterprise: the AS among the traits.
write(
    "traits.mmdb",
    "GeoIP2-Enterprise",
    [
        (
            [TEST_NET_1],
            {
                "country": country("DE", "Germany"),
                "traits": {
                    "autonomous_system_number": MmdbU32(64499),
                    "autonomous_system_organization": "Example Net",
                    "user_type": "business",
                },
            },
        )
    ],
)

# ip-location-db: flat, in files of IPv4 alone and of IPv6.
write("flat-country-4.mmdb", "country ipv4", [([TEST_NET_1], {"country_code": "NL"}), ([TEST_NET_2], {"country_code": "ZZ"})], 4)
write(
    "flat-city.mmdb",
    "city ipv6",
    [([AS112_4, AS112_6, TEST_NET_1], {"city": "Utrecht", "country_code": "NL", "latitude": 52.1, "postcode": "", "state1": "Utrecht"})],
)

# IPinfo Lite and Core: `country` is a name.
write(
    "ipinfo-core.mmdb",
    "ipinfo bundle_location_core.mmdb",
    [
        (
            [TEST_NET_1, AS112_4],
            {
                "as_domain": "example.org",
                "as_name": "Example Networks",
                "as_type": "hosting",
                "asn": "AS64500",
                "city": "Lyon",
                "continent": "Europe",
                "country": "France",
                "country_code": "FR",
                "is_hosting": True,
            },
        ),
        ([TEST_NET_2], {"as_domain": "", "as_name": "", "asn": "", "continent": "Asia", "country": "China", "country_code": "CN"}),
    ],
)

# IPinfo's free Country and ASN file: `country` is a code.
write(
    "ipinfo-country-asn.mmdb",
    "ipinfo generic_country_free_country_asn.mmdb",
    [
        (
            [TEST_NET_1],
            {
                "as_domain": "example.net",
                "as_name": "Example Access",
                "asn": "AS64501",
                "continent": "AS",
                "continent_name": "Asia",
                "country": "JP",
                "country_name": "Japan",
            },
        )
    ],
)

# IPinfo ASN: `country` is where the AS is registered.
write(
    "ipinfo-asn.mmdb",
    "ipinfo standard_asn_new.mmdb",
    [([TEST_NET_1], {"asn": "AS64502", "country": "US", "domain": "example.com", "name": "Example Mobile", "type": "isp"})],
)

# IPinfo Company: name and type are the company's, `country` is its own.
write(
    "ipinfo-company.mmdb",
    "ipinfo standard_company.mmdb",
    [
        (
            [TEST_NET_1],
            {
                "as_domain": "example.com",
                "as_name": "Example Carrier",
                "as_type": "isp",
                "asn": "AS64503",
                "country": "US",
                "domain": "example.edu",
                "name": "Example College",
                "type": "education",
            },
        )
    ],
)

# IPinfo WHOIS: the postal address of whom a range is registered to, and no place.
write(
    "ipinfo-whois.mmdb",
    "ipinfo generic_whois_rwhois.mmdb",
    [([TEST_NET_1], {"city": "Sandton", "country": "ZA", "id": "NET-EXAMPLE", "name": "EXAMPLE", "street": "1 Example Street"})],
)

# A layout that nobody here knows, and a file without a record.
write("unknown.mmdb", "GeoIP2-Connection-Type", [([TEST_NET_1], {"connection_type": "Cable/DSL", "is_satellite": False})])
write("empty.mmdb", "GeoLite2-ASN", [])
