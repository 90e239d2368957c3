package ask

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"time"
)

// zoneName is a zone whose clocks are put back by an hour, at 3 o'clock, at clocksChange: some
// minutes after the tests begin, so that they can make calls on both sides of it, on a day of 25 hours.
const zoneName = "Test/Change"

var clocksChange = time.Now().UTC().Truncate(15 * time.Minute).Add(30 * time.Minute)

// offsetBefore is by how much the zone is ahead of UTC until then, a multiple of a quarter of an hour.
func offsetBefore() time.Duration {
	offset := 3*time.Hour - clocksChange.Sub(clocksChange.Truncate(24*time.Hour))
	if offset < -12*time.Hour {
		offset += 24 * time.Hour
	}
	return offset
}

// useZone has this program, and all that it starts, know the zone.
func useZone(dir string) error {
	file := filepath.Join(dir, zoneName)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, zoneFile(), 0o644); err != nil {
		return err
	}
	return os.Setenv("ZONEINFO", dir)
}

// zoneFile is the zone as RFC 9636 has it, in version 1.
func zoneFile() []byte {
	const names = "TSUM\x00TWIN\x00"
	file := append([]byte("TZif"), make([]byte, 16)...)
	for _, count := range []uint32{0, 0, 0, 1, 2, uint32(len(names))} { // no leap seconds; one transition between two types
		file = binary.BigEndian.AppendUint32(file, count)
	}
	file = binary.BigEndian.AppendUint32(file, uint32(clocksChange.Unix()))
	file = append(file, 1) // the type from then on
	for i, offset := range []time.Duration{offsetBefore(), offsetBefore() - time.Hour} {
		file = binary.BigEndian.AppendUint32(file, uint32(int32(offset.Seconds())))
		file = append(file, byte(1-i), byte(5*i)) // whether it is summer time, and where its name is
	}
	return append(file, names...)
}
