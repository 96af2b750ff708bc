"""The hardware of a parking lot as a program on real wires: `firmware-sim/README.md`."""
