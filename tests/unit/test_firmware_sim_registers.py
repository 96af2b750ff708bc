"""The register map, byte for byte: what drivers rely on."""

from parkgraph_firmware_sim.barrier import Barrier, Memory, Order
from parkgraph_firmware_sim.boom import Boom
from parkgraph_firmware_sim.registers import input_registers, order_from


def test_a_controller_out_of_the_box_reads_as_it_always_did() -> None:
    assert input_registers(Barrier()) == [
        1, 0x0203, 0b0000_1000, 0,
        0, 0, 0, 0, 0, 0,
        0, 1, 0,
        0, 0, 0, 0, 0, 0, 0,
    ]  # fmt: skip


def test_every_register_has_its_place_and_the_high_word_comes_first() -> None:
    barrier = Barrier(
        boom=Boom(angle_degrees=45.67, is_moving=True),
        memory=Memory(token=0x0001_0002, order_id=0x0003_0004, passages=0x0005_0006, boots=9),
        hold_seconds=12.34,
        keypad_entries=65_535,
        last_entry="12345",
    )
    barrier.inputs.arming = barrier.inputs.closing = True
    barrier.inputs.fire = barrier.inputs.tamper = True

    assert input_registers(barrier) == [
        1, 0x0203, 0b0111_0011, 457,
        5, 6, 1, 2, 3, 4,
        123, 9, 65_535,
        0x3132, 0x3334, 0x3500, 0, 0, 0, 0,
    ]  # fmt: skip


def test_an_order_is_token_and_id_high_word_first_and_tenths_of_seconds() -> None:
    assert order_from([1, 2, 3, 4, 55]) == Order(0x0001_0002, 0x0003_0004, open_seconds=5.5)
