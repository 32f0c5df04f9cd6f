// Goroutines on one processor: Gosched, which is a yield with its scheduler, and starting one that ends at once.
// The same JSON as ours. Usage: peer_go [LARGEST]
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"sort"
	"strconv"
	"time"
)

type row struct {
	Case    string  `json:"case"`
	Library string  `json:"library"`
	N       int     `json:"n"`
	Unit    string  `json:"unit"`
	Median  float64 `json:"median"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Runs    int     `json:"runs"`
}

const runs = 5

func summarize(name string, n int, samples []float64) row {
	sort.Float64s(samples)
	return row{name, runtime.Version(), n, "ns", samples[len(samples)/2], samples[0], samples[len(samples)-1], len(samples)}
}

func yields(n, switches int) []float64 {
	for i := 0; i < n; i++ {
		go func() {
			for {
				runtime.Gosched()
			}
		}()
	}
	runtime.Gosched()
	rounds := switches/n + 1
	var samples []float64
	for run := 0; run < runs; run++ {
		start := time.Now()
		for i := 0; i < rounds; i++ {
			runtime.Gosched()
		}
		samples = append(samples, float64(time.Since(start).Nanoseconds())/float64(rounds*(n+1)))
	}
	return samples
}

func create(times int) []float64 {
	var samples []float64
	done := make(chan struct{})
	for run := 0; run < runs; run++ {
		start := time.Now()
		for i := 0; i < times; i++ {
			go func() { done <- struct{}{} }()
			<-done
		}
		samples = append(samples, float64(time.Since(start).Nanoseconds())/float64(times))
	}
	return samples
}

func main() {
	runtime.GOMAXPROCS(1)
	largest := 100000
	if len(os.Args) > 1 {
		if asked, err := strconv.Atoi(os.Args[1]); err == nil {
			largest = asked
		}
	}
	results := []row{summarize("create", 1, create(100000))}
	made := 0
	for _, n := range []int{1, 100, 10000, 100000} {
		if n > largest {
			break
		}
		samples := yields(n-made, 500000) // the earlier ones go on
		for i := range samples {
			samples[i] *= float64(n-made+1) / float64(n+1)
		}
		results = append(results, summarize("yield_with_scheduler", n, samples))
		made = n
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"bench": "fibers",
		"machine": map[string]any{"cores": runtime.NumCPU()}, "results": results, "notes": []string{}})
}
