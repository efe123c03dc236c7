# SPDX-License-Identifier: MIT
# gnuplot -c ratios.gp TABLE SVG: bars of ratios, a group for each job. The head of the first column says which.
set terminal svg size 1200,560 dynamic background "white"
set output ARG2
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 0.85 border -1
set yrange [0:*]
set xtics rotate by -18
set grid ytics
set key outside right top
head = system("head -n 1 '" . ARG1 . "'")
columns = words(head)
set ylabel word(head, 1)
plot for [i=2:columns] ARG1 using i:xtic(1) title columnheader(i), 1 with lines lc rgb "black" notitle
