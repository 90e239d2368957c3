package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the kernel's processor times: USER_HZ, which is fixed on Linux.
const tick = 10 * time.Millisecond

// The fields of /proc/PID/stat behind the program's name, from 0.
const (
	parentField                            = 1
	userField, systemField                 = 11, 12
	childrenUserField, childrenSystemField = 13, 14
)

// stat are the fields of /proc/PID/stat behind the program's name.
func stat(pid string) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return strings.Fields(rest), nil
}

func ticks(fields []string, numbers ...int) (sum time.Duration, err error) {
	for _, n := range numbers {
		value, err := strconv.ParseInt(fields[n], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(value) * tick
	}
	return sum, nil
}

// Time is the processor time of a process until now, by the kernel of Linux.
func Time(pid int) (time.Duration, error) {
	fields, err := stat(strconv.Itoa(pid))
	if err != nil {
		return 0, err
	}
	return ticks(fields, userField, systemField)
}

// FamilyTime is the processor time of a process and its children, including those that have ended.
func FamilyTime(pid int) (sum time.Duration, err error) {
	running, err := allRunning()
	if err != nil {
		return 0, err
	}
	of := strconv.Itoa(pid)
	for process, fields := range running {
		var time time.Duration
		switch {
		case process == of:
			time, err = ticks(fields, userField, systemField, childrenUserField, childrenSystemField)
		case fields[parentField] == of:
			time, err = ticks(fields, userField, systemField)
		}
		if err != nil {
			return 0, err
		}
		sum += time
	}
	return sum, nil
}

// allRunning are the fields of all processes, by their numbers.
func allRunning() (map[string][]string, error) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	running := map[string][]string{}
	for _, path := range all {
		if fields, err := stat(filepath.Base(path)); err == nil { // else it has ended
			running[filepath.Base(path)] = fields
		}
	}
	return running, nil
}

// TimesBelow is the processor time of a process and all its descendants, by the names of their
// programs. A process that has ended counts for the program that started it.
func TimesBelow(pid int) (map[string]time.Duration, error) {
	running, err := allRunning()
	if err != nil {
		return nil, err
	}
	sums := map[string]time.Duration{}
	for process, fields := range running {
		if !isBelow(running, process, strconv.Itoa(pid)) {
			continue
		}
		name, err := os.ReadFile(filepath.Join("/proc", process, "comm"))
		if err != nil {
			continue // it has ended
		}
		spent, err := ticks(fields, userField, systemField, childrenUserField, childrenSystemField)
		if err != nil {
			return nil, err
		}
		sums[strings.TrimSpace(string(name))] += spent
	}
	return sums, nil
}

// isBelow reports whether a process is top or a descendant of it.
func isBelow(running map[string][]string, process, top string) bool {
	for process != top {
		fields, is := running[process]
		if !is {
			return false
		}
		process = fields[parentField]
	}
	return true
}

// FamilyMemory is the memory of a process and its children, in MB. Memory that several share
// counts once.
func FamilyMemory(pid int) (sum float64, err error) {
	running, err := allRunning()
	if err != nil {
		return 0, err
	}
	of := strconv.Itoa(pid)
	for process, fields := range running {
		if process != of && fields[parentField] != of {
			continue
		}
		if memory, err := memory("/proc/"+process+"/smaps_rollup", "Pss:"); err == nil { // or it has ended
			sum += memory
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("process %d has no memory that can be read", pid)
	}
	return sum, nil
}

// ForgetPeak makes the kernel forget the most memory that a process had.
func ForgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// PeakMemory is the most memory that a process had, in MB.
func PeakMemory(pid int) (float64, error) {
	return memory(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
}

// memory is the value, in MB, of a line in kB of a file of the kernel.
func memory(path, name string) (float64, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(file)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			kB, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kB / 1024, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}
