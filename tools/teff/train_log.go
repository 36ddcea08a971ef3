package main

import (
	"encoding/json"
	"os"
)

// epochLog is the file of --log: a JSON object a line, one for each epoch.
type epochLog struct {
	path   string
	goesOn bool // after the lines that are there: of the training that is resumed
}

// add appends an epoch's line. The first of training that begins takes the place of
// what an earlier one left, as a whole: till then the file is as it was.
func (l *epochLog) add(e epochResult) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if st, err := os.Stat(l.path); !l.goesOn && (err != nil || st.Mode().IsRegular()) {
		l.goesOn = true
		return writeAtomic(l.path, line)
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err = f.Write(line); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
