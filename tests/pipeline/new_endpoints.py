"""
Call each endpoint of the made-up site, sync and async: run by test_wide.py, in a process whose
``setle`` and ``setle_api`` are the installed scratch copy.
"""

import asyncio
import datetime as dt
import io
import json
import sys
from importlib import import_module
from typing import Any
from uuid import UUID

import setle

ESTATE = UUID("5b0c8f3e-6a51-4f0b-9d5c-0f6f3a0f7b11")
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def calls() -> dict[str, dict[str, Any]]:
    """Return the arguments of a call by the endpoint's module."""
    models, types = import_module("setle_api.models"), import_module("setle_api.types")
    address = models.AddressDto("Kouter", "1", "9000", "Gent", models.AddressDtoCountry.BE)
    house, agent = models.EstateType.HOUSE, models.MemberRole.AGENT
    file = types.File(io.BytesIO(b"\xff\xd8 not a real image"), "front.jpg", "image/jpeg")
    return {
        "estate.create_estate": {
            "body": models.CreateEstateDto(
                house,
                "SK-1",
                address,
                rooms=[models.RoomDto("attic", 12.5)],
                asking_price=325_000,
                visited_at=NOON,
            )
        },
        "estate.delete_estate": {"estate_id": ESTATE},
        "estate.get_estate": {"estate_id": ESTATE},
        "estate.list_estates": {
            "page": 2,
            "page_size": 50,
            "updated_since": NOON,
            "estate_type": [house, models.EstateType.LAND],
        },
        "estate.list_images": {"estate_id": ESTATE},
        "estate.update_estate": {
            "estate_id": ESTATE,
            "body": models.UpdateEstateDto(asking_price=None),
        },
        "estate.upload_image": {
            "estate_id": ESTATE,
            "body": models.UploadImageDto(file, caption="Front"),
        },
        "organisation.get_organisation": {},
        "organisation.invite_member": {"body": models.InviteMemberDto("a@example.com", agent)},
        "organisation.list_members": {"role": agent},
        "organisation.remove_member": {"member_id": ESTATE},
        "simulation.get_simulation": {"estate_id": ESTATE},
    }


def told(response: Any) -> tuple[int, Any]:
    """Return status and body, as parsed into models and turned back."""
    parsed = response.parsed
    if isinstance(parsed, list):
        return int(response.status_code), [item.to_dict() for item in parsed]
    return int(response.status_code), parsed.to_dict() if parsed is not None else None


def endpoint(name: str) -> Any:
    """Return the module of the endpoint *name*."""
    tag, operation = name.split(".")
    return import_module(f"setle_api.api.{tag}.{operation}")


async def main(base_url: str) -> None:
    """Print where the packages are and what the calls gave, as JSON."""
    credentials = setle.ClientCredentials("an-id", "a-secret")
    answers: dict[str, list[tuple[int, Any]]] = {}
    with setle.connect(credentials, base_url=base_url) as client:
        for name, arguments in calls().items():
            answer = await asyncio.to_thread(
                endpoint(name).sync_detailed, client=client, **arguments
            )
            answers[name] = [told(answer)]
    async with setle.connect(credentials, base_url=base_url) as client:
        for name, arguments in calls().items():
            answer = await endpoint(name).asyncio_detailed(client=client, **arguments)
            answers[name].append(told(answer))
    files = [setle.__file__, import_module("setle_api").__file__]
    print(json.dumps({"files": files, "answers": answers}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
