"""What a training costs on one card and on many: a model of a step, calibrated by what was measured on one
card, and a simulation of its schedules."""
