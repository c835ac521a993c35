"""A leaderboard as one page of HTML: tables to sort and filter, figures, the records of a cell.

names         what a cell is called in a figure
embedded      values as JSON that a page may hold
facts         what the dialog of a cell shows
scale         where a value lies on an axis, and its ticks
drawing       lines, marks and words of SVG
styles        the colour, mark and dash of an encoder
grid          a table
intervals     a metric by encoder, with intervals over users
costs         quality against cost, with the Pareto front
curves        validation while training
groups        recall by popularity of the items
histories     what some users took, in training and in the test part
thumbnails    pictures so small that all of them fit a page
gallery       what a few users took and were recommended
galleries     the sections of all galleries, and what fills them
page          the page

style.css and script.js, and those of the gallery, are put into the page: nothing is fetched when it
is looked at.
"""
