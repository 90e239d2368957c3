package period

import (
	"sync"
	"time"
)

// zones are those that were loaded, by their names.
var zones sync.Map // string -> *time.Location

// Zone is the time zone with a name, as time.LoadLocation finds it. It is loaded only once,
// because every budget needs its zone again and again, and loading one reads a file.
func Zone(name string) (*time.Location, error) {
	if zone, found := zones.Load(name); found {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		zones.Store(name, zone)
	}
	return zone, err
}
