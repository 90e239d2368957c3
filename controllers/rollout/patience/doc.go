// Package patience says how long a status may wait to be written that will not be true
// for long: while a new generation is on its way to the enforcers, which takes a
// moment, the status may still speak of the one before.
//
// It must never keep back what a status that speaks of the present generation would
// have to take back.
package patience
