//go:build !linux

package main

func betweenStages() {}
