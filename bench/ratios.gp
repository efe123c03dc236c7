# SPDX-License-Identifier: MIT
# gnuplot -c ratios.gp TABLE SVG LABEL: bars of ratios, a group for each job.
set terminal svg size 1200,560 dynamic background "white"
set output ARG2
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 0.85 border -1
set yrange [0:*]
set ylabel ARG3
set xtics rotate by -18
set grid ytics
set key outside right top
columns = words(system("head -n 1 '" . ARG1 . "'"))
plot for [i=2:columns] ARG1 using i:xtic(1) title columnheader(i), 1 with lines lc rgb "black" notitle
