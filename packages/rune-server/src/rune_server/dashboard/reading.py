from rune_server.dashboard.frame import Reading, Named
from rune_server.actor import member, Role
from uuid import UUID
async def find_reading(platform, request):
    org = Named(UUID(int=7), "Northwind")
    return Reading(member(org.id, "u", Role.OWNER), Named(UUID(int=8), "Ada Lovelace", "ada@northwind.example"), org, (org,), "token", 3)
async def check_csrf(platform, view):
    return None
