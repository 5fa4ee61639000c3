//go:build !linux && !darwin

package main

import "errors"

// byteMode fails: the terminal itself edits a line, and bounds its length.
func byteMode(int) (echoes bool, enter, leave func(), err error) {
	return false, nil, nil, errors.ErrUnsupported
}

func onContinue(func()) (stop func()) { return func() {} }
