package main

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
)

// profile is a processor profile that is being taken; nil is none.
type profile struct{ file *os.File }

// startProfile begins one to be written to the file name; no name is none.
func startProfile(name string) (*profile, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &profile{f}, nil
}

func (p *profile) stop() error {
	if p == nil {
		return nil
	}
	pprof.StopCPUProfile()
	return p.file.Close()
}

// writeAllocations writes the profile of all allocations so far.
func writeAllocations(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	runtime.GC()
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
