module github.com/orlop/orlop/bench

go 1.25
