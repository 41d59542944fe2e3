"""``GET /deployments``: pages, filters, and nobody else's."""

import pytest

from tests.api.served import Caller, Json, field_errors

pytestmark = pytest.mark.anyio


async def ids(caller: Caller, query: str = "") -> list[str]:
    page = await caller.get(f"/deployments{query}")
    return [d["id"] for d in page["deployments"]]


async def test_the_defaults_are_the_seeds(bob: Caller) -> None:
    assert await bob.get("/deployments") == {
        "deployments": [],
        "pagination": {"page": 1, "limit": 20, "total": 0, "totalPages": 0},
    }


async def test_newest_first_and_each_once_over_all_pages(bob: Caller) -> None:
    made = [(await bob.create())["id"] for _ in range(5)]
    pages = [await ids(bob, f"?limit=2&page={n}") for n in (1, 2, 3, 4)]
    assert [len(p) for p in pages] == [2, 2, 1, 0]
    assert [i for p in pages for i in p] == made[::-1]


async def test_the_pagination_counts(bob: Caller) -> None:
    for _ in range(5):
        await bob.create()
    shown = (await bob.get("/deployments?limit=2&page=3"))["pagination"]
    assert shown == {"page": 3, "limit": 2, "total": 5, "totalPages": 3}
    beyond = await bob.get("/deployments?limit=2&page=99")
    assert beyond == {
        "deployments": [],
        "pagination": {"page": 99, "limit": 2, "total": 5, "totalPages": 3},
    }


async def test_one_in_a_list_is_the_same_as_alone(bob: Caller) -> None:
    made = await bob.create()
    alone: Json = await bob.until(made["id"], "running")
    [listed] = (await bob.get("/deployments"))["deployments"]
    assert listed == alone


async def test_a_status_filters_and_counts(bob: Caller) -> None:
    stays, stops = [(await bob.create())["id"] for _ in range(2)]
    for i in (stays, stops):
        await bob.until(i, "running")
    await bob.http.post(f"/deployments/{stops}/stop")
    await bob.until(stops, "stopped")
    assert await ids(bob, "?status=running") == [stays]
    assert await ids(bob, "?status=stopped") == [stops]
    assert (await bob.get("/deployments?status=failed"))["pagination"]["total"] == 0


async def test_a_user_sees_their_own_and_an_admin_all(
    ada: Caller, bob: Caller, carol: Caller
) -> None:
    bobs, carols = (await bob.create())["id"], (await carol.create())["id"]
    assert await ids(bob) == [bobs]
    assert await ids(carol) == [carols]
    assert await ids(ada) == [carols, bobs]


async def test_a_deleted_one_is_in_no_list(bob: Caller) -> None:
    made = (await bob.create())["id"]
    await bob.http.delete(f"/deployments/{made}")
    assert (await bob.get("/deployments"))["pagination"]["total"] == 0


@pytest.mark.parametrize(
    ("query", "field", "was", "may"),
    [
        ("limit=101", "limit", "101", "100"),
        ("limit=0", "limit", "0", "1"),
        ("limit=ten", "limit", "ten", "integer"),
        ("limit=1.5", "limit", "1.5", "integer"),
        ("limit=1_0", "limit", "1_0", "integer"),
        ("limit=1.0", "limit", "1.0", "integer"),
        ("limit=%2B1", "limit", "+1", "integer"),
        ("page=0", "page", "0", "1"),
        ("page=-1", "page", "-1", "1"),
        ("page=99999999999999999999", "page", "9999", "1000000"),
        ("status=gone", "status", "gone", "'running'"),
        ("status=Running", "status", "Running", "'running'"),
    ],
)
async def test_a_wrong_parameter_is_told_what_it_was_and_may_be(
    bob: Caller, query: str, field: str, was: str, may: str
) -> None:
    told = field_errors(await bob.http.get(f"/deployments?{query}"))
    assert list(told) == [field]
    assert was in told[field]
    assert may in told[field]


async def test_all_wrong_parameters_are_told_at_once(bob: Caller) -> None:
    answer = await bob.http.get("/deployments?limit=0&page=x&status=no&sort=up")
    assert field_errors(answer).keys() == {"limit", "page", "status", "sort"}


async def test_a_parameter_twice_is_refused(bob: Caller) -> None:
    answer = await bob.http.get("/deployments?page=1&page=2")
    assert field_errors(answer).keys() == {"page"}


async def test_a_blank_parameter_is_not_given(bob: Caller) -> None:
    assert await ids(bob, "?status=&page=1&limit=20") == []


async def test_an_unknown_parameter_is_told_even_if_blank(bob: Caller) -> None:
    assert field_errors(await bob.http.get("/deployments?sort=")).keys() == {"sort"}


async def test_a_text_is_found_in_name_id_and_image_in_any_case(bob: Caller) -> None:
    first = await bob.create(name="Blue Whale")
    second = await bob.create(name="50%_off")
    for text in ("blue", "WHALE", first["id"]):
        assert await ids(bob, f"?q={text}") == [first["id"]]
    assert await ids(bob, "?q=50%25_") == [second["id"]]
    assert await ids(bob, "?q=library/app") == [second["id"], first["id"]]
    assert await ids(bob, "?q=_ff") == []


async def test_a_search_counts_keeps_to_its_status_and_to_ones_own(
    bob: Caller, carol: Caller
) -> None:
    for _ in range(3):
        await bob.create(name="same")
    await carol.create(name="same")
    shown = await bob.get("/deployments?q=same&limit=2&page=2")
    assert shown["pagination"] == {"page": 2, "limit": 2, "total": 3, "totalPages": 2}
    beyond = await bob.get("/deployments?q=same&limit=2&page=9")
    assert beyond["pagination"]["total"] == 3
    assert await ids(bob, "?q=same&status=failed") == []
