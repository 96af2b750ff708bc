"""The oracle: all that is true of the lot, as JSON. Tests compare what others believe with it."""

from typing import Any

from parkgraph_firmware_sim.cars import Car
from parkgraph_firmware_sim.lane import Lane
from parkgraph_firmware_sim.world import World


def truth(world: World) -> dict[str, Any]:
    """What is, and what has happened so far. x in metres, angles in degrees."""
    return {
        "seconds": round(world.seconds, 3),
        "lanes": {name: _lane(lane) for name, lane in world.lanes.items()},
        "cars": [_car(car) for car in world.cars.values()],
        "spaces": {name: car is not None for name, car in world.spaces.items()},
    }


def _lane(lane: Lane) -> dict[str, Any]:
    barrier = lane.barrier
    return {
        "angle": round(barrier.boom.angle_degrees, 1),
        "arming": barrier.inputs.arming,
        "closing": barrier.inputs.closing,
        "passages": barrier.memory.passages,
        "boom_openings": barrier.boom_openings,
        "orders_accepted": barrier.orders_accepted,
        "orders_refused": barrier.orders_refused,
        "collisions": lane.collisions,
        "faults": sorted(lane.faults),
    }


def _car(car: Car) -> dict[str, Any]:
    return {
        "car": car.id,
        "plate": car.painted_plate,
        "where": car.where,
        "lane": car.lane,
        "space": car.space,
        "x_m": None if car.lane is None else round(car.front_x, 3),
    }
