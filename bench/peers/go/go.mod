module detent/bench/go

go 1.19
