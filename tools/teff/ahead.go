package main

import (
	"iter"
	goruntime "runtime"
)

// ahead is f of 0 to n-1 in order, computed on up to four goroutines a little
// before they are asked for: pictures take longer to decode than most networks
// to run, and large ones take room, so few wait.
func ahead[T any](n int, f func(i int) T) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		workers := min(4, goruntime.GOMAXPROCS(0))
		var waiting []chan T
		for i := range n {
			for j := i + len(waiting); j < min(n, i+workers); j++ {
				c := make(chan T, 1)
				go func() { c <- f(j) }()
				waiting = append(waiting, c)
			}
			v := <-waiting[0]
			if waiting = waiting[1:]; !yield(i, v) {
				for _, c := range waiting { // nobody is left behind
					<-c
				}
				return
			}
		}
	}
}
